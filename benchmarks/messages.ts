// `npm run bench -- messages`: messages that ranks send in a step of examples/06-three-d.ts by axis, with one message a segment and
// with the defaults; then, where there is a nats-server, the time of a step of 8 processes over it against 8 ranks in threads.
// Ends with 1 where more than a quarter of the first edition's 1,893 messages are sent, or the times are over 1.6 apart.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { type Endpoint, memory, plan } from "@orthant/core";
import { runRanks } from "@orthant/core/internal";
import { NatsServer } from "@orthant/transport-nats";
import type { ZeroOptions } from "@orthant/zero";
import { axisOfKey, callOfKey } from "../packages/core/src/transports/key.ts";
import { job } from "./messages/job.ts";
import { medianStep } from "./parts/median-step.ts";

const target = { messages: 1893 / 4, ratio: 1.6 };
type Counts = ReadonlyMap<string, number>;

/** Messages of a step of all ranks, by axis and by call; one to several receivers counts once for each. */
async function count(options: Omit<ZeroOptions, "stage">): Promise<{ axes: Counts; calls: Counts; ranks: number }> {
  const [axes, calls] = [new Map<string, number>(), new Map<string, number>()];
  const wrap = (inner: Endpoint): Endpoint => ({
    ...inner,
    send(to, key, frame) {
      for (const [counts, name] of [[axes, axisOfKey(key)] as const, [calls, callOfKey(key)] as const])
        counts.set(name, (counts.get(name) ?? 0) + to.length);
      return inner.send(to, key, frame);
    },
  });
  const trained = job(1, options);
  const decided = await plan(trained);
  const stop = new AbortController().signal;
  await runRanks(memory({ wrap }), { options: trained, plan: decided, events: {}, stop });
  return { axes, calls, ranks: decided.ranks.length };
}

const total = (counts: Counts): number => [...counts.values()].reduce((a, b) => a + b, 0);
const row = (name: string, cells: readonly (string | number)[]) =>
  console.log(name.padEnd(34) + cells.map((cell) => `${cell}`.padStart(12)).join(""));

async function messages(): Promise<boolean> {
  const settings = [{ bucketBytes: 0, prefetch: 0 }, {}, { gather: "step" }] as const;
  const found = [];
  for (const options of settings) found.push(await count(options));
  row("messages of a step, all ranks", ["a segment", "defaults", 'gather "step"']);
  for (const axis of found[0]!.axes.keys())
    row(
      axis,
      found.map(({ axes }) => axes.get(axis) ?? 0),
    );
  row(
    "all",
    found.map(({ axes }) => total(axes)),
  );
  row(
    "all, a rank",
    found.map(({ axes, ranks }) => total(axes) / ranks),
  );
  row(
    "but for tp",
    found.map(({ axes }) => total(axes) - (axes.get("tp") ?? 0)),
  );
  console.log();
  for (const call of [...found[0]!.calls.keys()].sort())
    row(
      `  ${call}`,
      found.map(({ calls }) => calls.get(call) ?? 0),
    );
  const now = total(found[1]!.axes);
  const met = now <= target.messages;
  console.log(
    `\n${now} messages a step; the first edition's were 1893, a quarter is ${target.messages}${met ? "" : ": MISSED"}`,
  );
  return met;
}

/** Trains in a process of its own; the median ms of a step. */
function step(folder: string, args: readonly string[]): number {
  const script = join(import.meta.dirname, "messages", "train.ts");
  execFileSync(execPath, [...args, script], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  return medianStep(folder, "timed", 8);
}

function times(): boolean {
  if (!NatsServer.version()) {
    console.log("no nats-server on the PATH: steps are not timed");
    return true;
  }
  const folder = () => mkdtempSync(join(tmpdir(), "orthant-bench-"));
  const folders = [folder(), folder()] as const;
  try {
    const threads = step(folders[0], []);
    const cli = join(import.meta.dirname, "..", "packages", "cli", "bin", "orthant.js");
    const nats = step(folders[1], [cli, "run", "--ranks", "8"]);
    const ratio = nats / threads;
    const said = ratio <= target.ratio ? "" : `: MISSED, at most ${target.ratio}`;
    console.log(`a step: 8 ranks in threads ${threads.toFixed(0)} ms, 8 processes over NATS ${nats.toFixed(0)} ms`);
    console.log(`NATS over threads ${ratio.toFixed(2)}${said}`);
    return ratio <= target.ratio;
  } finally {
    for (const made of folders) rmSync(made, { recursive: true });
  }
}

const few = await messages();
process.exitCode = times() && few ? 0 : 1;
