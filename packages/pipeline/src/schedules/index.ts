// The schedules by name. A new one is one file here and one line below; one of a user's own is a function.
import { checkActions, isCompute, microsOf, type Schedule, showAction, stagesOf } from "@orthant/core";
import { gpipe } from "./gpipe.ts";
import { oneForwardOneBackward } from "./one-f-one-b.ts";

/** Makes the schedule of `stages` stages on as many ranks, and of `micros` micros. States compute only: F, B and W. */
export type ScheduleFactory = (stages: number, micros: number) => Schedule;

/** The schedules that `pipeline({ schedule })` knows by name. */
export const schedules = {
  gpipe,
  "1f1b": oneForwardOneBackward,
} as const satisfies Record<string, ScheduleFactory>;

/** Name of one of `schedules`. */
export type ScheduleName = keyof typeof schedules;

/** Finds a factory by name; one that is a function already stays as it is. Throws on an unknown name. */
export function toFactory(schedule: ScheduleName | ScheduleFactory): ScheduleFactory {
  if (typeof schedule === "function") return schedule;
  if (Object.hasOwn(schedules, schedule)) return schedules[schedule];
  const known = Object.keys(schedules).join(" and ");
  throw new Error(
    `unknown schedule "${schedule}": there are ${known}; or give a function (stages, micros) => Schedule`,
  );
}

/** Throws where a factory returned no schedule, one of other ranks, stages or micros than asked, or more than compute. */
export function checkCompute(schedule: Schedule, stages: number, micros: number): Schedule {
  checkActions(schedule, { micros });
  const asked = `schedule(${stages}, ${micros}) must return ${stages} ranks, ${stages} stages and ${micros} micros`;
  const found = `${schedule.length} ranks, ${stagesOf(schedule)} stages and ${microsOf(schedule)} micros`;
  if (schedule.length !== stages || stagesOf(schedule) !== stages || microsOf(schedule) !== micros)
    throw new Error(`${asked}; it returned ${found}`);
  const other = schedule.flat().find(({ op }) => !isCompute(op));
  if (!other) return schedule;
  throw new Error(`schedule(${stages}, ${micros}) states compute only, F, B and W: leave out ${showAction(other)}`);
}
