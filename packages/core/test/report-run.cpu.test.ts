// The folder of a run, from real ranks in this thread: metrics line by line, a trace that holds together.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runRanks } from "../src/hosts/run.ts";
import { type Plan, plan, type TrainOptions } from "../src/index.ts";
import { openRun, type Run } from "../src/report/run.ts";
import { TRACED_STEPS, trace } from "../src/report/trace.ts";
import { eightRanks } from "./report-case.ts";

interface Event {
  readonly name: string;
  readonly ph: string;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly id: number;
  readonly args: { readonly name?: string; readonly step?: number };
}

let root: string;
let decided: Plan;
let dir: string;
const silent = { write: () => {} };
const open = (options: TrainOptions): Run => openRun({ options, plan: decided, out: silent, root });
const stop = new AbortController().signal;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "orthant-report-"));
  decided = await plan(eightRanks);
  const options = { ...eightRanks, run: "first" };
  const run = open(options);
  await runRanks(eightRanks.transport!, { options, plan: decided, events: run.events, stop });
  run.close();
  run.close();
  dir = run.dir!;
});
afterAll(() => rmSync(root, { recursive: true }));

test("metrics: the run, then its steps", () => {
  const [head, ...steps] = readFileSync(join(dir, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(head).toMatchObject({
    model: "gpt",
    mesh: { pp: 2, dp: 2, tp: 2 },
    strategies: ["tensorParallel", "pipeline", "zero"],
    batch: 16,
    micros: 4,
    tokensPerStep: 64,
    plannedBytesSent: decided.sent,
    plannedBubble: decided.simulation.bubble,
  });
  expect(steps.map(({ step }) => step)).toEqual([0, 1, 2]);
  for (const { loss, norm, lr, ms, tokensPerSecond, heldBytes } of steps) {
    for (const value of [loss, norm, ms, heldBytes]) expect(value).toBeGreaterThan(0);
    expect(lr).toBe(0.1);
    expect(tokensPerSecond).toBeCloseTo(64_000 / ms, 6);
  }
});

describe("the trace", () => {
  const events = () => JSON.parse(readFileSync(join(dir, "trace.json"), "utf8")) as Event[];
  const of = (phase: string) => events().filter(({ ph }) => ph === phase);

  test("has a named track a rank, and a slice an action", () => {
    const names = of("M")
      .filter(({ name }) => name === "thread_name")
      .map(({ args }) => args.name);
    expect(names[5]).toBe("rank 5 (pp 1, dp 0, tp 1)");
    expect(names.length).toBe(8);
    const actions = decided.schedule.flat().length;
    expect(of("X").length).toBe(actions * 4 * 3); // 4 ranks a stage, 3 steps
    expect(of("X").filter(({ name, args }) => name === "1F2" && args.step === 1).length).toBe(4);
  });

  test("slices of a rank never overlap", () => {
    for (const { rank } of decided.ranks) {
      const slices = of("X").filter(({ tid }) => tid === rank);
      slices.forEach(({ ts, dur }, i) => {
        expect(ts).toBeGreaterThanOrEqual(0);
        expect(ts + dur).toBeLessThanOrEqual((slices[i + 1]?.ts ?? Number.POSITIVE_INFINITY) + 1e-6);
      });
    }
  });

  test("each arrow goes from a SEND to its RECV, forward in time, between neighbours", () => {
    const starts = of("s");
    const ends = new Map(of("f").map((end) => [end.id, end]));
    expect(new Set(starts.map(({ id }) => id)).size).toBe(starts.length);
    expect(starts.length).toBe(2 * 4 * 4 * 3); // both ways, micros, columns, steps
    expect(ends.size).toBe(starts.length);
    for (const start of starts) {
      const end = ends.get(start.id)!;
      const to = decided.ranks[end.tid]!.coords;
      const from = decided.ranks[start.tid]!.coords;
      expect(to).toEqual({ ...from, pp: 1 - from.pp! });
      expect(end.ts).toBeGreaterThanOrEqual(start.ts);
      const send = inside(start).name;
      const recv = inside(end).name;
      expect(recv).toBe(send.replace(/^\d+SEND/, `${to.pp}RECV`));
    }
  });

  test.each([
    ["by steps", 3, undefined, TRACED_STEPS],
    ["by bytes", 1000, 100_000, 1], // what rank 0 writes of the first is beyond already
  ])("is bounded %s, in whole steps, and says so", (name, every, bytes, expected) => {
    const path = join(root, `${name}.json`);
    const { actions, close } = trace(path, decided, 0, bytes);
    const names = Array.from({ length: every }, (_, i) => ({ action: `0F${i % 4}`, from: i, to: i + 1 }));
    for (let step = 0; step < TRACED_STEPS + 10; step++) for (const rank of [0, 1]) actions(rank, step, names);
    close();
    const told = JSON.parse(readFileSync(path, "utf8")) as Event[];
    const steps = told.flatMap(({ ph, args }) => (ph === "X" ? [args.step!] : []));
    const covered = Math.max(...steps) + 1;
    expect(covered).toBe(expected);
    expect(steps.length).toBe(2 * every * covered);
    expect(told.at(-1)!.name).toBe(`the trace ends here: it covers the first ${covered} steps`);
  });

  const inside = ({ tid, ts }: Event): Event =>
    of("X").findLast((slice) => slice.tid === tid && slice.ts <= ts && ts <= slice.ts + slice.dur)!;
});

describe("the folder", () => {
  test("a name is used once, and is no path", () => {
    expect(() => open({ ...eightRanks, run: "first" })).toThrow(/first is there already.*choose another name/);
    for (const run of ["a/b", "a\\b", "..", ""])
      expect(() => open({ ...eightRanks, run })).toThrow(/is no folder name/);
  });

  test("without a name: a time stamp, and two of one second keep apart", () => {
    const runs = [open(eightRanks), open(eightRanks)];
    for (const run of runs) run.close();
    expect(runs[0]!.dir).toMatch(/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-gpt$/);
    expect(runs[1]!.dir).not.toBe(runs[0]!.dir);
    expect(JSON.parse(readFileSync(join(runs[0]!.dir!, "trace.json"), "utf8")).length).toBe(16);
  });

  test("run: false writes nothing, and a quiet one hears nothing", () => {
    const before = readdirSync(root);
    const run = open({ ...eightRanks, run: false, quiet: true });
    run.close();
    expect([run.dir, run.events]).toEqual([undefined, {}]);
    expect(readdirSync(root)).toEqual(before);
  });
});
