// ZB-H1: 1F1B whose backward runs in halves, so that weight halves fill what 1F1B leaves idle at the end of a step.
// States compute only. Qi et al.: Zero bubble pipeline parallelism, ICLR 2024, section 3.
import type { Action, Schedule } from "@orthant/core";

/**
 * Schedule of one stage a rank. Stage s runs F and B as in 1F1B, and the W of a micro s backwards later: the later the
 * stage, the earlier its B reach the stages before it. With F = B = W the bubble is (p - 1) / (3 m + p - 1) for m >= p.
 * Stage s holds p - s micros between F and B, as in 1F1B, and s more between B and W: min(p, m) in all.
 */
export const zbH1 = (stages: number, micros: number): Schedule =>
  Array.from({ length: stages }, (_, stage) => {
    const warmup = Math.min(stages - stage - 1, micros);
    const action = (op: "F" | "B" | "W", micro: number): Action[] =>
      micro >= 0 && micro < micros ? [{ stage, op, micro }] : [];
    const actions = Array.from({ length: warmup }, (_, micro) => action("F", micro));
    for (let micro = 0; micro < micros + stage; micro++)
      actions.push(action("F", micro + warmup), action("B", micro), action("W", micro - stage));
    return actions.flat();
  });
