// Pipeline parallelism for Orthant: the strategy, its schedules, and the passes and splits they are made of.

export { withSendRecv } from "./passes/with-send-recv.ts";
export type { PipelineOptions } from "./pipeline.ts";
export { pipeline } from "./pipeline.ts";
export { gpipe } from "./schedules/gpipe.ts";
export type { ScheduleFactory, ScheduleName } from "./schedules/index.ts";
export { schedules } from "./schedules/index.ts";
export { oneForwardOneBackward } from "./schedules/one-f-one-b.ts";
export { splitByCost } from "./split.ts";
