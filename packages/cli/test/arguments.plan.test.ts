// What `orthant run` understands, what it refuses and how; where secrets go.
import { expect, test } from "vitest";
import { UsageError } from "../src/result.ts";
import { accessOf, onlyToken, withoutSecrets } from "../src/run/access.ts";
import { runArguments } from "../src/run/arguments.ts";

const parse = (line: string) => runArguments(line.split(" ").filter(Boolean));

test("a rank a process, over a server of its own, is the default", () => {
  const { run, ...rest } = parse("--ranks 3 train.ts");
  const expected = {
    script: "train.ts",
    args: [],
    size: 3,
    ranks: [0, 1, 2],
    transport: "embedded",
    byDefault: true,
    secret: undefined,
    encrypt: false,
    nodes: 1,
    asTheyCome: false,
    elastic: false,
    others: 0,
    runtime: undefined,
    restarts: 0,
    device: undefined,
    profile: undefined,
  };
  expect(rest).toEqual(expected);
  expect(run).toMatch(/^run-[\da-f]{8}$/);
});

test("what follows the script is its own", () => {
  const { args, size, transport } = parse("--threads --ranks 2 train.ts --ranks 9 --fast x");
  expect([args, size, transport]).toEqual([["--ranks", "9", "--fast", "x"], 2, "threads"]);
});

test("a file for the trace of kernels", () => {
  expect(parse("--profile kernels.json --ranks 2 train.ts").profile).toBe("kernels.json");
  expect(() => parse("--profile")).toThrow("--profile needs a value, such as --profile kernels.json");
});

test("a device by name", () => {
  expect(parse("--device tensorflow --ranks 2 train.ts").device).toBe("tensorflow");
});

test("the nodes' blocks cover all ranks once", () => {
  for (const [size, nodes] of [
    [4, 2],
    [7, 3],
    [5, 5],
    [8, 1],
  ] as const) {
    const line = (node: number) =>
      `--ranks ${size} --nats nats://h:1,tls://i --run r --nodes ${nodes} --node-rank ${node} s.ts`;
    const blocks = Array.from({ length: nodes }, (_, node) => parse(line(node)).ranks);
    expect(blocks.flat()).toEqual(Array.from({ length: size }, (_, rank) => rank));
  }
});

test("what follows the script is its own; what follows -- is, whatever its name", () => {
  expect(parse("--ranks 2 s.ts --lr 1 ranks -- --device mine -- x").args).toEqual([
    "--lr",
    "1",
    "ranks",
    "--device",
    "mine",
    "--",
    "x",
  ]);
});

test("machines without a number are numbered as they come, and wait for each other another way", () => {
  const nodes = "--ranks 4 --nats nats://h:1 --run r --nodes 2";
  const { asTheyCome, others, ranks, elastic } = parse(`${nodes} --restarts 1 --elastic s.ts`);
  expect([asTheyCome, others, ranks, elastic]).toEqual([true, 0, [0, 1], true]);
  const fixed = parse(`${nodes} --node-rank 1 s.ts`);
  expect([fixed.asTheyCome, fixed.others, fixed.ranks]).toEqual([false, 1, [2, 3]]);
});

test("bad input: one line that says what to write", () => {
  const nodes = "--ranks 4 --nats nats://h:1 --run r --nodes 2";
  const cases: [string, string][] = [
    ["--ranks 2", "orthant run needs a script, such as: orthant run --ranks 4 train.ts"],
    ["train.ts", "orthant run needs --ranks, such as --ranks 4"],
    [
      "train.ts --ranks 2",
      "--ranks goes before train.ts: what follows the script is its own. To hand it on: -- --ranks",
    ],
    [
      "--ranks 2 train.ts --lr 1 --nats=nats://h:1",
      "--nats goes before train.ts: what follows the script is its own. To hand it on: -- --nats",
    ],
    [
      "--ranks 2 train.ts --device cuda -- --run a",
      "--device goes before train.ts: what follows the script is its own. To hand it on: -- --device",
    ],
    ["--threads --encrypt --ranks 2 s.ts", "--threads sends nothing: leave out --threads or --encrypt"],
    ["--threads --secret k --ranks 2 s.ts", "--threads sends nothing: leave out --threads or --secret"],
    ["--secret= --ranks 2 s.ts", "--secret needs a value, such as --secret run.key"],
    ["--ranks 0 s.ts", "--ranks 0 is no whole number from 1"],
    ["--ranks two s.ts", "--ranks two is no whole number from 1"],
    ["--ranks= s.ts", "--ranks needs a value, such as --ranks 4"],
    ["--device gpu --ranks 2 s.ts", "--device gpu is none of auto, wasm, cpu, webgpu, tensorflow, cuda"],
    ["--device= --ranks 2 s.ts", "--device needs a value, such as --device cuda"],
    ["--fast --ranks 2 s.ts", "orthant run has no option --fast; orthant --help lists what there is"],
    ["--threads=2 --ranks 2 s.ts", "--threads takes no value"],
    [
      "--threads --nats nats://h --ranks 2 s.ts",
      "--threads keeps all ranks in one process, without NATS: leave out --threads or --nats",
    ],
    [
      "--nats host:4222 --ranks 2 s.ts",
      '--nats "host:4222" is no address of a server: write nats://host:4222, or embedded',
    ],
    ["--nats ann:word@host --ranks 2 s.ts", "--nats is no address of a server: write nats://host:4222, or embedded"],
    ["--ranks 4 --nodes 2 s.ts", "--nodes 2 needs a server that all reach: --nats URL"],
    ["--ranks 4 --threads --nodes 2 s.ts", "--nodes 2 needs a server that all reach: --nats URL"],
    ["--ranks 4 --nats nats://h --nodes 2 s.ts", "--nodes 2 needs one name on every node: --run NAME"],
    ["--elastic --ranks 4 s.ts", "--elastic needs --nodes, the most machines that the run may have"],
    [`${nodes} --elastic s.ts`, "--elastic starts the run again: give --restarts N"],
    [
      `${nodes} --node-rank 0 --restarts 1 --elastic s.ts`,
      "--elastic numbers machines as they come: leave out --node-rank",
    ],
    [
      `--ranks 5 ${nodes.slice(10)} --restarts 1 --elastic s.ts`,
      "--elastic: --ranks 5 on --nodes 2 are not as many on each: give a multiple",
    ],
    [`${nodes} --node-rank 2 s.ts`, "--node-rank 2 of --nodes 2: give 0 to 1"],
    ["--ranks 4 --node-rank 1 s.ts", "--node-rank 1 needs --nodes, the number of machines"],
    [
      "--ranks 1 --nats nats://h --run r --nodes 2 --node-rank 0 s.ts",
      "--ranks 1 leaves some of --nodes 2 without a rank",
    ],
    ["--ranks 2 --run a.b s.ts", '--run "a.b": 1 to 64 letters, digits, _ and -'],
    ["--ranks 2 --runtime perl s.ts", "--runtime perl is none of node, deno and bun"],
  ];
  for (const [line, message] of cases) expect(() => parse(line), line).toThrow(new UsageError(message));
});

test("credentials of an address move to the environment", () => {
  const { servers, env } = withoutSecrets(["nats://ann:s%40cret@host:4222", "nats://other"], { PATH: "p" });
  expect(servers).toEqual(["nats://host:4222", "nats://other"]);
  expect(env).toEqual({ PATH: "p", NATS_USER: "ann", NATS_PASSWORD: "s@cret" });
  expect(withoutSecrets(["nats://word@host:1"], {}).env).toEqual({ NATS_TOKEN: "word" });
});

test("the environment names one way in", () => {
  expect(accessOf({})).toEqual({});
  expect(accessOf({ NATS_NKEY: "SU" })).toEqual({ credentials: { nkey: "SU" } });
  const files = { NATS_CREDS: "a.creds", NATS_CA: "ca.pem" };
  expect(accessOf(files)).toEqual({ credentials: { file: "a.creds" }, tls: { ca: "ca.pem" } });
  const two = { NATS_USER: "ann", NATS_TOKEN: "word" };
  expect(() => accessOf(two)).toThrow(new Error("the environment has NATS_USER and NATS_TOKEN: keep one"));
  expect(onlyToken({ ...two, ...files, PATH: "p" }, "t")).toEqual({ PATH: "p", NATS_TOKEN: "t" });
});
