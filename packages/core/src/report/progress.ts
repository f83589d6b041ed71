// One line that says how a run goes: kept in place on a terminal, a plain line every few steps anywhere else.
// Formatting is pure; only `progress` writes.
import type { Evaluation } from "../params/optimizer.ts";
import type { StepReport } from "../rank/events.ts";
import type { Speed } from "./speed.ts";
import { showBytes, showCount, showSeconds } from "./units.ts";

/** Place where the line goes: `process.stdout`, or whatever else takes text. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** State of a run, as the line says it. */
export interface Progress {
  /** Steps done, of `steps` in all. */
  readonly done: number;
  readonly steps: number;
  /** Loss per token of the last step. */
  readonly loss: number;
  /** That of the last evaluation. */
  readonly evaluation?: number | undefined;
  /** `count` of its unit, a second. */
  readonly speed: Speed;
  readonly secondsLeft: number;
  /** Bytes held by the fullest rank: the device's own number, where it has one. */
  readonly held: number;
}

const BAR = 20;

/** Draws `[#####---------------]`, `width` characters within the brackets; `fraction` from 0 to 1. */
export const bar = (fraction: number, width = BAR): string => {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}]`;
};

const fields = ({ done, steps, loss, evaluation, speed, secondsLeft, held }: Progress): string[] => [
  `step ${String(done).padStart(String(steps).length)}/${steps}`,
  `loss ${loss.toPrecision(4)}`,
  ...(evaluation === undefined ? [] : [`eval ${evaluation.toPrecision(4)}`]),
  `${showCount(speed.count)} ${speed.unit}`,
  `${showSeconds(secondsLeft)} left`,
  `${showBytes(held)}/rank`,
];

/** Shows the state as `step 80/200  loss 2.913  18.2k tok/s  0:41 left  38.1 MiB/rank`. */
export const showPlain = (state: Progress): string => fields(state).join("  ");

/** Shows the plain line behind a bar, in at most `columns` characters: first the bar shrinks and goes, then fields from the right. */
export function showLine(state: Progress, columns: number): string {
  const texts = fields(state);
  const whole = texts.join("  ");
  const room = Math.min(BAR, columns - whole.length - "[] ".length);
  if (room >= BAR / 4) return `${bar(state.done / state.steps, room)} ${whole}`;
  while (texts.length > 1 && texts.join("  ").length > columns) texts.pop();
  return texts.join("  ").slice(0, Math.max(0, columns));
}

/** Averages milliseconds a step over the last `window` steps: the function takes a step's and returns the mean. */
export function movingMean(window: number): (ms: number) => number {
  const recent: number[] = [];
  return (ms) => {
    recent.push(ms);
    if (recent.length > window) recent.shift();
    return recent.reduce((sum, value) => sum + value, 0) / recent.length;
  };
}

/** What `progress` needs to know of a run. */
export interface ProgressOptions {
  readonly steps: number;
  /** What a step counts for. */
  readonly speed: Speed;
  readonly out: Output;
  /** Clock in milliseconds, from any start; `performance.now` by default. */
  readonly now?: () => number;
}

/** Finds the width of the terminal that shows `out`; undefined where none does. `orthant run` leaves its own, as it stands between. */
function columnsOf(out: Output): number | undefined {
  const left = (globalThis as { readonly [name: symbol]: unknown })[Symbol.for("orthant.columns")];
  return typeof left === "number" ? left : out.isTTY ? (out.columns ?? 80) : undefined;
}

/** Number of steps that speed is averaged over: the first ones, slow with compilation, are soon forgotten. */
const WINDOW = 20;
/** Least milliseconds between redraws. */
const REDRAW = 100;
/** Number of plain lines in a run, beside the first and the last. */
const LINES = 20;

/** Shows each step it is told, or as many as are worth it. `close` shows the last one and ends the line; call it any number of times. */
export function progress({ steps, speed, out, now = () => performance.now() }: ProgressOptions) {
  const meanOf = movingMean(WINDOW);
  const every = Math.max(1, Math.round(steps / LINES));
  let state: Progress | undefined;
  let shown: Progress | undefined;
  let drawn = Number.NEGATIVE_INFINITY;
  let open = true;
  const show = () => {
    if (!state || state === shown) return;
    const columns = columnsOf(out);
    out.write(columns ? `\r${showLine(state, columns - 1)}\x1b[K` : `${showPlain(state)}\n`);
    shown = state;
    drawn = now();
  };
  return {
    step({ step, loss, ms, held, device }: StepReport): void {
      const done = step + 1;
      const mean = meanOf(ms);
      state = {
        done,
        steps,
        loss,
        held: device || held,
        evaluation: state?.evaluation,
        speed: { ...speed, count: (1000 * speed.count) / mean },
        secondsLeft: ((steps - done) * mean) / 1000,
      };
      if (done === 1 || done === steps || (columnsOf(out) ? now() - drawn >= REDRAW : done % every === 0)) show();
    },
    evaluated({ loss }: Evaluation): void {
      if (!state) return;
      state = { ...state, evaluation: loss };
      if (columnsOf(out) || shown?.done === state.done) show();
    },
    close(): void {
      if (!open) return;
      open = false;
      show();
      if (state && columnsOf(out)) out.write("\n");
    },
  };
}
