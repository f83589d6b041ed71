// The command line: reads arguments, runs a command, prints, exits. Exit codes: 0 done, 1 it cannot work, 2 wrong usage.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { planScript } from "./plan.ts";
import type { Result } from "./result.ts";

const HELP = `orthant plan <script>   who holds what, the schedule, bytes held and sent, the bubble; trains nothing
orthant --help          this text
orthant --version       the version

What follows <script> is the script's own.`;

const wrong = (text: string): Result => ({ code: 2, text: `${text}; orthant --help lists what there is` });

/** Runs the command that `args` name, prints its result and ends the process. */
export async function main(args: readonly string[]): Promise<void> {
  const { code, text } = await run(args);
  const out = code ? process.stderr : process.stdout;
  out.write(`${text}\n`, () => process.exit(code));
}

function run([first, second, ...rest]: readonly string[]): Result | Promise<Result> {
  const given = [first, second].filter((arg) => arg !== undefined);
  const parsed = parse(given);
  if ("code" in parsed) return parsed;
  const {
    values,
    positionals: [command, script],
  } = parsed;
  if (values.help || !given.length) return { code: 0, text: HELP };
  if (values.version) return { code: 0, text: version() };
  if (command !== "plan") return wrong(`orthant has no command "${command}"`);
  if (!script) return wrong("orthant plan needs a script, such as: orthant plan train.ts");
  return planScript(script, rest);
}

function parse(args: string[]) {
  const options = { help: { type: "boolean", short: "h" }, version: { type: "boolean", short: "v" } } as const;
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch {
    return wrong(`orthant cannot read "${args.join(" ")}"`);
  }
}

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
