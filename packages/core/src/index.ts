// Orthant's nouns, grouped in reading order: what you write, what is planned, what runs, what carries it.

// Where tensors are computed.
export { type Active, type Device, type DeviceChoice, deviceNames, type Where } from "./devices/device.ts";
export { activeDevice, useDevice } from "./devices/index.ts";
export * as kernels from "./devices/kernels/index.ts";
export { useFastGradients } from "./devices/wasm/gradients.ts";
// What a run tells.
export { ClosedError, LostRankError, type Place, RankError, StallError, type WaitingRank } from "./errors.ts";
export { type Forward, type ForwardInput, forward, type Weights } from "./forward.ts";
export { directGroup } from "./group/direct.ts";
// Tensors along an axis.
export type { Group } from "./group/group.ts";
export { inOrder } from "./group/in-order.ts";
export { bytesOf, type Call, refuseSum } from "./group/price.ts";
export type { Host, HostJob, WireJob } from "./hosts/host.ts";
export { type MemoryOptions, memory } from "./hosts/memory.ts";
export { type Routes, routed } from "./hosts/routed.ts";
export { type SpreadOptions, spread } from "./hosts/spread.ts";
export { type ThreadsOptions, threads } from "./hosts/threads.ts";
export { axisSize, type Coords, coordsOf, type Mesh, meshSize, rankOf, ranksAlong, showCoords } from "./mesh.ts";
export { type HeldBytes, Meter } from "./meter.ts";
export { allToAll, type Crossing, enter, gather, leave, scatter, shift } from "./model/crossing.ts";
export { type Differentiable, differentiable } from "./model/differentiable.ts";
// The model and its data.
export type { AnyLayer, AnyModel, Data, Field, Layer, LayerParam, Model, Random, Tape, Values } from "./model/model.ts";
export {
  type Dual,
  dual,
  type Everywhere,
  type Held,
  type Placed,
  type Placement,
  type Placements,
} from "./model/placement.ts";
export { cutAlong, elements, onAxis, type Segment, type SegmentShape, type Shape, segment } from "./model/segment.ts";
// Parameters and their optimizer.
export { adamw, constant, cosine, type LearningRate, type Optimizer, sgd } from "./params/optimizer.ts";
export { chunk, type Init, keptRange, keptSize, localShape, type ParamSpec, type Use } from "./params/params.ts";
export { fillUniform, normal, randomKey, uniformInt } from "./params/random.ts";
export { localStore, type Moment, type Owned, type ParamStore, type StoreLayer } from "./params/store.ts";
export type { JobOptions } from "./plan/options.ts";
export { type Plan, plan } from "./plan/plan.ts";
export { type RankPlan, showRank } from "./plan/ranks.ts";
export type { Roles } from "./plan/roles.ts";
// Strategies, and what they decide about.
export type {
  Cost,
  CostInput,
  Divides,
  LayerShape,
  ModelShape,
  Move,
  PlannedCall,
  RankView,
  SegmentUse,
  Strategy,
  Wire,
} from "./plan/strategy.ts";
export { crossingCalls } from "./plan/traffic.ts";
export type { Outcome, OwnedGradient, RankEvents, StepReport } from "./rank/events.ts";
export { forwardOnly, type Linearized, rebind, recompute, type Vjp } from "./rank/vjp.ts";
export { describePlan } from "./report/plan-text.ts";
export * from "./schedule/grid.ts";
export * from "./schedule/passes.ts";
// Schedules.
export * from "./schedule/schedule.ts";
export * from "./schedule/simulate.ts";
export * from "./schedule/validate.ts";
// Train.
export { type TrainOptions, type TrainResult, train } from "./train.ts";
// What carries them.
export type { DTypeName } from "./transports/dtypes.ts";
export type { Endpoint, Frame } from "./transports/endpoint.ts";
export { memory as memoryTransports } from "./transports/memory.ts";
export { joinThreads, type ThreadWiring, wireThreads } from "./transports/threads/threads.ts";
