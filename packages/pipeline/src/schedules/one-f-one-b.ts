// 1F1B with a flush at the end of the step (PipeDream-flush): after a warmup, one forward then one backward.
// States compute only. Narayanan et al., 2021, section 2.2.
import type { Action, Schedule } from "@orthant/core";

/** Schedule of 1F1B, one stage a rank. Bubble (p - 1) / (m + p - 1); stage s holds the activations of min(p - s, m) micros. */
export const oneForwardOneBackward = (stages: number, micros: number): Schedule =>
  Array.from({ length: stages }, (_, stage) => {
    const warmup = Math.min(stages - stage - 1, micros);
    const F = (micro: number): Action => ({ stage, op: "F", micro });
    const B = (micro: number): Action => ({ stage, op: "B", micro });
    const actions: Action[] = [];
    for (let micro = 0; micro < warmup; micro++) actions.push(F(micro));
    for (let micro = warmup; micro < micros; micro++) actions.push(F(micro), B(micro - warmup));
    for (let micro = micros - warmup; micro < micros; micro++) actions.push(B(micro));
    return actions;
  });
