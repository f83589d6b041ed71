// The command line: reads the command, runs it, prints, exits. Exit codes: 0 done, 1 it cannot work, 2 wrong usage; those
// of `orthant run` are the script's.
import { readFileSync } from "node:fs";
import { type Result, UsageError } from "./result.ts";

const HELP = `orthant run <options> <script>   the script, each of its ranks in a process of its own
  --ranks N                 ranks of the run: as many as its mesh has
  --nats embedded           a nats-server from the PATH, for this run alone; the default, or --threads where there is none
  --nats URL                your own, such as nats://host:4222; several of a cluster with commas between
  --threads                 no NATS: all ranks in threads of one process
  --run NAME                launchers with the same name join into one run
  --nodes N --node-rank I   this machine starts the I-th of N equal parts of the ranks, counted from 0
  --nodes N                 machines are numbered as they come; one more waits to take the place of a lost one
  --secret FILE             the run's secret, the same for all its launchers; one launcher alone makes its own
  --encrypt                 what travels is encrypted
  --runtime node|deno|bun   what runs the ranks; by default what runs this command
  --device NAME             where the script leaves it open: auto, wasm, cpu, webgpu, tensorflow or cuda
  --profile FILE            on cuda: times each kernel alone; a trace is written there, the ten that cost most are printed
  --restarts N              starts again, N times at most, from the latest checkpoint where a rank is lost
  --elastic                 goes on with fewer machines where one is lost, and with more again, up to --nodes
orthant plan <script>            who holds what, the schedule, bytes held and sent, the bubble; trains nothing
orthant export <checkpoint> <file>   the parameters of a checkpoint, or of a run's latest, whole, in one safetensors file
orthant import <file> <folder>   the other way: a checkpoint of no steps, for train({ resume: "<folder>" })
orthant export --to huggingface <script> <checkpoint> <folder>   as Hugging Face's transformers loads it; the script says the model
orthant import --from huggingface <folder> <folder>   what transformers saved of a GPT-2 or a Llama, as a checkpoint of no steps
orthant doctor                   what this machine can do: runtimes, devices, nats-server
  --nats URL|embedded       and what that server is and how fast; NATS_URL by default
  --jetstream               and whether it has JetStream
  --run NAME                on the subjects of that run, where the server grants no others
orthant --help                   this text
orthant --version                the version

What follows <script> is the script's own; -- before it hands on what is named as an option of orthant run. The secret can come as
ORTHANT_SECRET. Credentials for NATS come from the environment: NATS_USER with NATS_PASSWORD,
NATS_TOKEN, NATS_NKEY (the seed) or NATS_CREDS (a file); certificates from NATS_CA, NATS_CERT and NATS_KEY (files).`;

type Command = (words: readonly string[]) => Promise<Result>;

/** Each is loaded when it is asked for: this text is quick. */
const commands: Record<string, Command> = {
  run: async (words) => (await import("./run/attempts.ts")).run(words),
  plan: async (words) => (await import("./plan.ts")).planCommand(words),
  export: async (words) => (await import("./weights.ts")).exportCommand(words),
  import: async (words) => (await import("./weights.ts")).importCommand(words),
  doctor: async (words) => (await import("./doctor/doctor.ts")).doctor(words),
};

/** Runs the command that `args` name, prints its result and ends the process. */
export async function main(args: readonly string[]): Promise<void> {
  const { code, text } = await resultOf(args);
  const out = code ? process.stderr : process.stdout;
  out.write(text && `${text}\n`, () => process.exit(code));
}

async function resultOf([name = "--help", ...words]: readonly string[]): Promise<Result> {
  if ([name, words[0]].some((word) => word === "--help" || word === "-h")) return { code: 0, text: HELP };
  if (["--version", "-v"].includes(name)) return { code: 0, text: version() };
  try {
    if (Object.hasOwn(commands, name)) return await (commands[name] as Command)(words);
    const what = name.startsWith("-") ? `orthant cannot read "${name}"` : `orthant has no command "${name}"`;
    throw new UsageError(`${what}; orthant --help lists what there is`);
  } catch (error) {
    return wrong(error as Error);
  }
}

/** A line says it all: where in this program it was found is of no use. */
const wrong = (error: Error): Result =>
  error instanceof UsageError ? { code: 2, text: error.message } : { code: 1, text: `orthant: ${error.message}` };

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
