// `loss.svg`: the loss over the steps of a run, and its evaluations, as a picture that any browser opens.
import type { Evaluation } from "../params/optimizer.ts";

/** A point of the curve: steps done, and a loss. */
export type Point = readonly [step: number, loss: number];

/** Points that are kept: beyond, two neighbours become one, their mean. */
const most = 1024;

/** Keeps losses as they come, as at most 1024 points. */
export class Curve {
  #points: Point[] = [];
  /** Steps that one point stands for, and those of the one that is not whole yet. */
  #stride = 1;
  #open: Point[] = [];

  add(step: number, loss: number): void {
    this.#open.push([step, loss]);
    if (this.#open.length < this.#stride) return;
    this.#points.push(mean(this.#open));
    this.#open = [];
    if (this.#points.length < most) return;
    this.#points = this.#points.flatMap((point, i, all) => (i % 2 ? [mean([all[i - 1]!, point])] : []));
    this.#stride *= 2;
  }

  get points(): readonly Point[] {
    return this.#open.length ? [...this.#points, mean(this.#open)] : this.#points;
  }
}

const mean = (points: readonly Point[]): Point => {
  const sum = (of: (point: Point) => number) => points.reduce((total, point) => total + of(point), 0) / points.length;
  return [sum(([step]) => step), sum(([, loss]) => loss)];
};

const [width, height, margin] = [720, 360, 56];

/** Values at which to draw lines: about five, at 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number): number[] {
  const span = high - low || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(span / 5));
  const step = power * ([1, 2, 5, 10].find((factor) => span / (factor * power) <= 6) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

const show = (value: number): string => String(Number(value.toPrecision(4)));
const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Draws losses as a line and evaluations as a line with dots, under a title. */
export function drawCurve(title: string, losses: readonly Point[], evaluations: readonly Evaluation[] = []): string {
  const held = evaluations.map(({ step, loss }): Point => [step + 1, loss]);
  const all = [...losses, ...held].filter(([, loss]) => Number.isFinite(loss));
  const range = (values: readonly number[]) => [Math.min(...values), Math.max(...values)] as const;
  const [[left, right], [low, high]] = [range(all.map(([step]) => step)), range(all.map(([, loss]) => loss))];
  const x = (step: number) => margin + ((step - left) / (right - left || 1)) * (width - 2 * margin);
  const y = (loss: number) => height - margin - ((loss - low) / (high - low || 1)) * (height - 2 * margin);
  const at = ([step, loss]: Point) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`;
  const line = (points: readonly Point[], color: string) =>
    `<polyline fill="none" stroke="${color}" stroke-width="1.5" points="${points.map(at).join(" ")}"/>`;
  const dot = (point: Point) => `<circle cx="${at(point).replace(",", '" cy="')}" r="3" fill="#c2410c"/>`;
  const text = (tx: number, ty: number, anchor: string, words: string) =>
    `<text x="${tx.toFixed(1)}" y="${ty.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`;
  const across = ticks(low, high).map(
    (v) =>
      `<path stroke="#ddd" d="M${margin} ${y(v).toFixed(1)}H${width - margin}"/>${text(margin - 6, y(v) + 4, "end", show(v))}`,
  );
  const along = ticks(left, right).map((v) => text(x(v), height - margin + 18, "middle", show(v)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(margin, margin - 24, "start", title),
    ...across,
    ...along,
    text(width / 2, height - 12, "middle", "steps"),
    line(losses, "#1d4ed8"),
    ...(held.length ? [line(held, "#c2410c"), ...held.map(dot)] : []),
    "</svg>\n",
  ].join("\n");
}
