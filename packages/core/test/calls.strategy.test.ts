// Scripts that train more than once, on every runtime: in one thread, and over threads, where each worker runs the script again and
// is told what it had come to. Under `orthant run`: packages/cli/test/run.nats.test.ts.
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const script = (name: string) => new URL(`./jobs/${name}.ts`, import.meta.url).pathname;

const runtimes: Readonly<Record<string, readonly string[]>> = {
  node: [process.execPath],
  deno: ["deno", "run", "-A"],
  bun: ["bun"],
};

function linesOf(runtime: string, name: string, env: Record<string, string>): object[] {
  const [command, ...args] = runtimes[runtime] as [string, ...string[]];
  const { stdout, stderr } = spawnSync(command, [...args, script(name)], {
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test.each(Object.keys(runtimes))(
  "%s: a sweep of three, one of which fails, a second phase, a session that stops early, evaluation at every step",
  (runtime) => {
    const [memory, threads] = ["memory", "threads"].map((TRANSPORT) => linesOf(runtime, "calls", { TRANSPORT }));
    expect(threads).toEqual(memory);
    const [low, high, second, session, train] = memory as Record<string, number[]>[];
    expect([low!.lr, high!.lr]).toEqual([0.001, 0.01]);
    expect(second!.second![0]!).toBeLessThan(high!.losses!.at(-1)!);
    expect(train).toEqual({ last: session!.third, evaluations: session!.seen });
    expect(train!.last).toEqual(low!.losses); // evaluation changes no bit
  },
);
