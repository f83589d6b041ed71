// GPipe: every forward, then every backward. States compute only. Huang et al., 2019.
// Here backward takes the micros in ascending order, so that gradients sum in the same order as in every schedule.
import type { Action, Schedule } from "@orthant/core";

/** Schedule of GPipe, one stage a rank. Bubble (p - 1) / (m + p - 1); each stage holds the activations of all m micros. */
export const gpipe = (stages: number, micros: number): Schedule =>
  Array.from({ length: stages }, (_, stage) => [...each(stage, "F", micros), ...each(stage, "B", micros)]);

const each = (stage: number, op: "F" | "B", micros: number): Action[] =>
  Array.from({ length: micros }, (_, micro) => ({ stage, op, micro }));
