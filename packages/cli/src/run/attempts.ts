// `orthant run`: starts the ranks, and starts them again where some were lost, as often as was asked for. Several machines that are
// numbered as they come agree on each start: who takes part, and where.
import { statSync } from "node:fs";
import { type Machines, NatsServer, type Next, openMachines, type Start } from "@orthant/transport-nats";
import { type Result, UsageError } from "../result.ts";
import { accessOf, withoutSecrets } from "./access.ts";
import { blockOf, type RunArguments, runArguments } from "./arguments.ts";
import { checkMemory, fitted } from "./fit.ts";
import { Launch } from "./launch.ts";
import { withSecret } from "./place.ts";
import { hearSignals } from "./signals.ts";
import { codeOf } from "./verdict.ts";

/** ms of waiting for other machines after which that is said. */
const quiet = 5000;

/** What signals are for. */
interface Current {
  launch?: Launch | undefined;
  machines?: Machines;
}

/** Runs until every process it started has ended. The code is that of the first that failed, or tells what stopped the run. */
export async function run(words: readonly string[]): Promise<Result> {
  const { args, note } = fitted(runArguments(words), () => NatsServer.version() !== undefined);
  if (!statSync(args.script, { throwIfNoEntry: false })?.isFile())
    throw new UsageError(`there is no file ${args.script}; paths count from the working directory`);
  checkMemory(args);
  const current: Current = {};
  hearSignals({
    onFirst: (name, why) => (current.launch ? current.launch.stop(name, why) : leaveBy(name, current)),
    onAgain: (name) => current.launch?.insist(name),
  });
  return args.asTheyCome ? runTogether(args, current) : runAlone(args, current, note);
}

/** Ends where no rank runs here. */
function leaveBy(name: NodeJS.Signals, { machines }: Current): void {
  process.stderr.write(`orthant run: stopped by ${name} before a rank started\n`);
  void Promise.resolve(machines?.leave(codeOf(name))).finally(() => process.exit(codeOf(name)));
}

/** Starts the same ranks again and again, as every other launcher of the run does. */
async function runAlone(args: RunArguments, current: Current, note: string | undefined): Promise<Result> {
  for (let attempt = 0; ; attempt++) {
    const launch = new Launch(args, attempt, attempt ? undefined : note);
    current.launch = launch;
    const result = await launch.run().finally(() => launch.close());
    if (!launch.lost || attempt === args.restarts) return result;
    say(`${result.text}\northant run: ${again(args, attempt + 1)}`);
  }
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

const again = ({ restarts, run }: RunArguments, attempt: number): string =>
  `starts ${run} again from its latest checkpoint, ${attempt} of ${restarts} times`;

/** Starts what the machines of the run agree on, until the run is over. */
async function runTogether(args: RunArguments, current: Current): Promise<Result> {
  const machines = await machinesOf(args);
  current.machines = machines;
  let result: Result | undefined;
  try {
    for (;;) {
      const next = await comes(args, machines);
      if (next.kind === "over") result ??= { code: next.code, text: `orthant run: ${args.run} is over` };
      if (next.kind === "over") return result as Result;
      const { start } = next;
      if (start.number) say(`orthant run: ${againOn(args, start)}`);
      const done = await once(args, next, current);
      result = done.result;
      if (!done.goesOn) return result;
      say(result.text);
    }
  } finally {
    await machines.leave(result?.code ?? 1);
  }
}

const againOn = ({ restarts, run, nodes }: RunArguments, { machines, losses }: Start): string =>
  `starts ${run} again from its latest checkpoint, on ${machines.length} of ${nodes} machines, ${losses} of ${restarts} times`;

function machinesOf(args: RunArguments): Promise<Machines> {
  const { transport, run, nodes, elastic, restarts, size } = args;
  const { servers, env } = withoutSecrets(transport as readonly string[], withSecret(args, process.env));
  const about = `--ranks ${size} --nodes ${nodes} --restarts ${restarts}${elastic ? " --elastic" : ""}`;
  return openMachines({ servers, ...accessOf(env), run, about, machines: nodes, elastic, restarts });
}

/** Waits for what comes next; says so where that is long. */
async function comes({ run, nodes }: RunArguments, machines: Machines): Promise<Next> {
  const wait = (): void => say(`orthant run: waits for "${run}": ${machines.here} of ${nodes} machines are here`);
  const timer = setTimeout(wait, quiet);
  return machines.next().finally(() => clearTimeout(timer));
}

type Starts = Extract<Next, { kind: "start" }>;

/** What this machine does in a start: as many ranks as on each of the others, where machines are missing. */
function placed(args: RunArguments, { start: { machines }, place }: Starts): RunArguments {
  const size = (args.size / args.nodes) * machines.length;
  return { ...args, size, ranks: blockOf(size, machines.length, place) };
}

/** Runs this machine's part of a start. */
async function once(
  args: RunArguments,
  next: Starts,
  current: Current,
): Promise<{ readonly result: Result; readonly goesOn: boolean }> {
  const launch = new Launch(placed(args, next), next.start.number);
  current.launch = launch;
  void current.machines?.replaced(next.start).then((why) => launch.replace(why));
  const left = next.start.losses < args.restarts;
  try {
    const result = await launch.run();
    return { result, goesOn: launch.lost && (left || launch.replaced) };
  } catch (error) {
    return { result: { code: 1, text: `orthant: ${(error as Error).message}` }, goesOn: left };
  } finally {
    current.launch = undefined;
    await launch.close();
  }
}
