// The schedules by name. A new one is one file here and one line below.
import type { Schedule } from "@orthant/core";
import { gpipe } from "./gpipe.ts";
import { oneForwardOneBackward } from "./one-f-one-b.ts";

export const schedules = {
  gpipe,
  "1f1b": oneForwardOneBackward,
} as const satisfies Record<string, (stages: number, micros: number) => Schedule>;

export type ScheduleName = keyof typeof schedules;
