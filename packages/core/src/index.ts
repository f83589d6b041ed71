// Orthant's nouns, in reading order.

export { useDevice } from "./devices/index.ts";
export { type Forward, type ForwardInput, forward, type Weights } from "./forward.ts";
export { Group } from "./group.ts";
export type { Host } from "./host.ts";
export { type MemoryOptions, memory } from "./hosts/memory.ts";
export { type ThreadsOptions, threads } from "./hosts/threads.ts";
export { axisSize, type Coords, coordsOf, type Mesh, meshSize, rankOf, ranksAlong, showCoords } from "./mesh.ts";
export { type Held as HeldBytes, Meter } from "./meter.ts";
export type { Data, Field, Layer, LayerParam, Model, Tape, Values } from "./model.ts";
export { adamw, constant, cosine, type LearningRate, type Optimizer, sgd } from "./optimizer.ts";
export { type Device, devices, type TrainOptions } from "./options.ts";
export { chunk, type Init, keptRange, localShape, type ParamSpec } from "./params.ts";
export { adjoint, dual, type Held, type Placement, type Transition, transitions } from "./placement.ts";
export { type Plan, plan, type RankPlan, showRank } from "./plan.ts";
export { normal, randomKey, uniformInt } from "./random.ts";
export type { Outcome, RankEvents, StepReport } from "./rank.ts";
export * from "./schedule.ts";
export * from "./schedule-grid.ts";
export { elements, type Segment, type SegmentShape, type Shape, segment } from "./segment.ts";
export * from "./simulate.ts";
export { GradSum, localStore, type Owned, type ParamStore } from "./store.ts";
export type { Cost, CostInput, LayerShape, ModelShape, Move, Strategy } from "./strategy.ts";
export { GradTape } from "./tape.ts";
export { type TrainResult, train } from "./train.ts";
export type { Frame, Transport, WireType } from "./transport.ts";
export * from "./validate.ts";
export { forwardOnly, type Linearized, rebind, recompute, type Vjp } from "./vjp.ts";
