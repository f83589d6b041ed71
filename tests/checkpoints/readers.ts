// Files of checkpoints in the hands of others: every shard, and an export, as Python's `safetensors` reads it; and a file of its
// making, in and out again. PYTHON names the interpreter: python3 by default.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportCheckpoint, importWeights } from "@orthant/core";
import { installPython, python } from "./python.ts";
import { script } from "./transports.ts";

/** Name to shape and hash of the bytes, as `safetensors` reads a file. */
const read = `
import sys, json, hashlib
from safetensors.numpy import load_file
print(json.dumps({name: [list(t.shape), hashlib.sha256(t.tobytes()).hexdigest()] for name, t in load_file(sys.argv[1]).items()}))
`;

const write = `
import sys, numpy
from safetensors.numpy import save_file
random = numpy.random.default_rng(1)
save_file({"a.weight": random.standard_normal((7, 5)).astype("float32"), "b": random.standard_normal(11), "c.half": random.standard_normal((2, 3, 4)).astype("float16")}, sys.argv[1])
`;

/** The same by the format's description: 8 bytes of length, JSON, bytes. Shares no code with the library. */
function described(path: string): Record<string, [number[], string]> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: _, ...fields } = JSON.parse(bytes.toString("utf8", 8, start)) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(fields).map(
      ([
        name,
        {
          shape,
          data_offsets: [from, to],
        },
      ]) => [
        name,
        [
          shape,
          createHash("sha256")
            .update(bytes.subarray(start + from, start + to))
            .digest("hex"),
        ],
      ],
    ),
  );
}

const sorted = (tensors: Record<string, unknown>): string => JSON.stringify(Object.entries(tensors).sort());
const same = (path: string): boolean => sorted(JSON.parse(python(read, path))) === sorted(described(path));

function say(ok: boolean, text: string): number {
  console.log(`${ok ? "ok  " : "FAIL"} ${text}`);
  return ok ? 0 : 1;
}

/** Prints a line a case. Returns how many failed. */
export async function readers(): Promise<number> {
  installPython();
  const dir = mkdtempSync(join(tmpdir(), "orthant-readers-"));
  try {
    const run = join(dir, "run");
    const job = { optimizer: "adamw", steps: 2, every: 2, dir: run, transport: "memory" };
    execFileSync(process.execPath, [script, JSON.stringify(job)], { stdio: "ignore" });
    const step = join(run, "step-000002");
    const shards = readdirSync(step).filter((name) => name.endsWith(".safetensors"));
    const wrong = shards.filter((name) => !same(join(step, name)));
    const whole = join(dir, "whole.safetensors");
    await exportCheckpoint(run, whole);
    const [made, back] = [join(dir, "made.safetensors"), join(dir, "back.safetensors")];
    python(write, made);
    const count = await importWeights(made, join(dir, "imported"));
    await exportCheckpoint(join(dir, "imported"), back);
    const { "a.weight": a } = described(made);
    const kept = JSON.stringify(described(back)["a.weight"]) === JSON.stringify(a);
    return (
      say(
        wrong.length === 0,
        `${shards.length} shards, as Python's safetensors reads them${wrong.length ? `, but ${wrong}` : ""}`,
      ) +
      say(same(whole), "an export, likewise") +
      say(count === 3 && kept && same(back), `${count} tensors that it wrote, of float32, 64 and 16, in and out again`)
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}
