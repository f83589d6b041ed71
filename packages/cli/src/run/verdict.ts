// How a run ended, from how its processes did: the exit code, and a last line where it did not end well. Pure.
import { constants } from "node:os";
import type { Result } from "../result.ts";
import type { Ending } from "./children.ts";
import { showRanks } from "./merge.ts";

/** Why a rank ended that did not end well. */
export interface News {
  readonly why: string;
  /** It says what happened where; else only that the rank is gone. */
  readonly whole: boolean;
}

export interface Known {
  /** How every process here ended, in that order. */
  readonly endings: readonly Ending[];
  /** The signal that all ranks here were told. */
  readonly told: NodeJS.Signals | undefined;
  /** They were told twice. */
  readonly insisted: boolean;
  /** What was heard of ranks that did not end well, here or elsewhere, in that order. */
  readonly news: readonly News[];
  /** ms that ranks got to end by themselves. */
  readonly grace: number;
}

/** Exit code of what a signal ended, as shells have it. */
export const codeOf = (name: NodeJS.Signals): number => 128 + constants.signals[name];

/** One that stopped as it was told has not failed. */
export const hasFailed = ({ why, stopped, sent }: Ending, told: NodeJS.Signals | undefined): boolean =>
  why !== undefined && !stopped && !(told && sent);

export function verdict({ endings, told, insisted, news, grace }: Known): Result {
  if (told && insisted) return { code: codeOf(told), text: `orthant run: ended by a second ${told}` };
  const failed = endings.find((end) => hasFailed(end, told));
  if (failed) return { code: failed.code, text: `orthant run: ${blame(news)}${told ? "" : unheard(endings, grace)}` };
  const stopped = told ?? endings.find((end) => end.stopped)?.stopped;
  if (!stopped || endings.every(({ code }) => code === 0)) return { code: 0, text: "" };
  const said = endings.some(({ ranks, byItself }) => byItself && ranks.includes(0)); // by rank 0, in more words
  return { code: codeOf(stopped), text: said ? "" : `orthant run: stopped by ${stopped}` };
}

/** Who failed first; where its own words are few, also what it wrote, or who missed it first, and where. */
function blame([first, ...others]: readonly News[]): string {
  const missed = first?.whole ? undefined : others.find(({ whole }) => whole);
  return missed ? `${first?.why}; ${missed.why}` : `${first?.why}`;
}

/** Who did not end with the others: a rank that trains does. */
function unheard(endings: readonly Ending[], grace: number): string {
  const ranks = endings.filter(({ sent }) => sent).flatMap((end) => end.ranks);
  if (ranks.length === 0) return "";
  const why = "does the script await something before train(), or compute for long?";
  return `; ${showRanks(ranks.sort((a, b) => a - b))} had to be killed ${grace / 1000} s later: ${why}`;
}
