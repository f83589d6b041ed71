// Weights that go back: models read from the fixtures and models of our own train a little on a mesh, are written in Hugging Face's
// form, and transformers must give our logits. Usage: node packages/nn/test/huggingface.ts, which installs transformers and PyTorch in
// a Python environment of its own first (gigabytes), or PYTHON=... names a Python that has them.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Data, forward, memory, sgd, train } from "@orthant/core";
import { tensorParallel } from "@orthant/tensor-parallel";
import { zero } from "@orthant/zero";
import { fromHuggingFace, gpt, type LanguageModel, llama, toHuggingFace } from "../src/index.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const fixtures = here("./fixtures/huggingface");
const { tokens } = JSON.parse(readFileSync(join(fixtures, "logits.json"), "utf8")) as { tokens: number[][] };
const context = tokens[0]!.length;

function run(command: string, ...args: string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status ?? error?.message}`);
}

/** A Python that has transformers: the one named, else one of an environment made here. */
function python(): string {
  if (process.env.PYTHON) return process.env.PYTHON;
  const folder = here("../../../node_modules/.cache/huggingface");
  const found = join(folder, "bin", "python");
  if (existsSync(join(folder, "ready"))) return found;
  mkdirSync(folder, { recursive: true });
  run("python3", "-m", "venv", folder);
  run(found, "-m", "pip", "install", "--quiet", "torch", "transformers", "safetensors");
  writeFileSync(join(folder, "ready"), "");
  return found;
}

/** First values ten times as large: at this width the usual ones give logits that hardly show what attention does. */
const louder = (model: LanguageModel): LanguageModel => ({
  ...model,
  layers: model.layers.map((layer) => ({
    ...layer,
    params: layer.params.map((p) =>
      p.init.kind === "normal" ? { ...p, init: { ...p.init, std: 10 * p.init.std } } : p,
    ),
  })),
});

const sizes = { layers: 2, width: 32, heads: 4, context: 24, vocab: 61 };
const models: Readonly<Record<string, () => LanguageModel>> = {
  gpt2: () => fromHuggingFace(join(fixtures, "gpt2")).model,
  llama: () => fromHuggingFace(join(fixtures, "llama")).model,
  "llama-scaled": () => fromHuggingFace(join(fixtures, "llama-scaled")).model,
  "own gpt": () => louder(gpt({ ...sizes, hidden: 40, epsilon: 1e-4 })),
  "own llama": () => louder(llama({ ...sizes, kvHeads: 2, theta: 300, scaling: { kind: "linear", factor: 3 } })),
};

const field = { shape: [context], dtype: "int32" } as const;
const data: Data = {
  input: field,
  target: field,
  tokens: context,
  sample: (i) => {
    const input = Int32Array.from(tokens[i % tokens.length]!);
    return { input, target: input };
  },
};

/** Trains a model on four ranks, writes it, and returns the logits that it gives here. */
async function written(model: LanguageModel, folder: string): Promise<number[]> {
  const { weights } = await train({
    model,
    data,
    batch: 2,
    mesh: { dp: 2, tp: 2 },
    strategies: [tensorParallel(), zero({ stage: 3 })],
    optimizer: sgd({ lr: 0.1 }),
    steps: 5,
    transport: memory(),
    run: false,
    quiet: true,
    collect: true,
  });
  await toHuggingFace(model, weights, folder);
  const logits = await forward(model, weights);
  const values = Int32Array.from(tokens.flat());
  const found = [...(await logits({ values, shape: [tokens.length, context], dtype: "int32" }))];
  logits.dispose();
  return found;
}

const folder = mkdtempSync(join(tmpdir(), "orthant-huggingface-"));
const command = python();
const logits: Record<string, number[]> = {};
for (const [name, make] of Object.entries(models)) logits[name] = await written(make(), join(folder, name));
writeFileSync(join(folder, "logits.json"), JSON.stringify({ tokens, logits }));
try {
  run(command, here("./huggingface.py"), "check", folder);
} finally {
  rmSync(folder, { recursive: true });
}
