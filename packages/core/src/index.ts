// Orthant's nouns, grouped in reading order: what you write, what is planned, what runs, what carries it.

// Training, and a trained model.

export { exportCheckpoint, importWeights } from "./checkpoint/exchange.ts";
export { type Forward, type ForwardInput, forward, type Weights } from "./forward.ts";
export { axisSize, type Coords, coordsOf, type Mesh, meshSize, rankOf, ranksAlong, showCoords } from "./mesh.ts";
export type { CheckpointOptions, JobOptions } from "./plan/options.ts";
export { type ParameterValues, run, type Session } from "./session.ts";
export type { RunOptions, TrainResult } from "./to-end.ts";
export { type EvaluateOptions, type TrainOptions, type TrainStep, train } from "./train.ts";

// The model and its data.

export { allToAll, type Crossing, enter, gather, leave, scatter, shift } from "./model/crossing.ts";
export { type Differentiable, differentiable } from "./model/differentiable.ts";
export type {
  AnyLayer,
  AnyModel,
  Data,
  Field,
  IndexRange,
  Layer,
  LayerParam,
  Model,
  Random,
  Sample,
  Tape,
  Values,
} from "./model/model.ts";
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

// Parameters, their optimizer, and who holds them.

export { type HeldBytes, type Kind, Meter, showHeld, totalOf } from "./meter.ts";
export type { Moment } from "./params/moment.ts";
export {
  adamw,
  constant,
  cosine,
  type Evaluation,
  type LearningRate,
  type Optimizer,
  type PlateauOptions,
  plateau,
  type Seen,
  sgd,
} from "./params/optimizer.ts";
export {
  chunk,
  type Init,
  keptRange,
  keptSize,
  localShape,
  type ParamSpec,
  pieceOf,
  type Use,
} from "./params/params.ts";
export { fillUniform, normal, randomKey, uniformInt } from "./params/random.ts";
export {
  type BaseStore,
  type Dealt,
  localStore,
  type ParamStore,
  type StoreLayer,
} from "./params/store.ts";

// Strategies, and the plan that they make.

export type { ExtraState } from "./params/extra.ts";
export { type Plan, plan } from "./plan/plan.ts";
export { type RankPlan, showRank } from "./plan/ranks.ts";
export type { Roles } from "./plan/roles.ts";
export type {
  Acquire,
  Cost,
  CostInput,
  Divides,
  HeldInput,
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
export { describePlan } from "./report/plan-text.ts";

// Schedules.

export * from "./schedule/grid.ts";
export * from "./schedule/passes.ts";
export * from "./schedule/schedule.ts";
export * from "./schedule/simulate.ts";
export * from "./schedule/validate.ts";

// Tensors along an axis.

export { directGroup } from "./group/direct.ts";
export type { Group } from "./group/group.ts";
export { inOrder } from "./group/in-order.ts";
export { bytesOf, type Call, refuseSum } from "./group/price.ts";

// What carries them.

export type { DTypeName } from "./transports/dtypes.ts";
export type { Endpoint, Frame } from "./transports/endpoint.ts";
export { type MemoryOptions, memory, memoryEndpoints } from "./transports/memory.ts";
export { type RoutedOptions, type Routes, routed } from "./transports/routed.ts";
export { joinThreads, type ThreadsOptions, threads } from "./transports/threads/threads.ts";
export { type ThreadWiring, type WiringOptions, wireThreads } from "./transports/threads/wiring.ts";
export type { Transport, TransportJob } from "./transports/transport.ts";

// Where tensors are computed, and how they are differentiated.

export {
  type Active,
  type Device,
  type DeviceChoice,
  type DeviceName,
  deviceNames,
  type Where,
} from "./devices/device.ts";
export { activeDevice, useDevice } from "./devices/index.ts";
export * as kernels from "./devices/kernels/index.ts";
export { view } from "./devices/view.ts";
export { useFastGradients } from "./devices/wasm/gradients.ts";
export { forwardOnly, type Linearized, rebind, recompute, type Vjp } from "./rank/tape/vjp.ts";

// What a run tells, and what ends it.

export { ClosedError, type FailedRank, LostRankError, RankError, StallError, type WaitingRank } from "./errors.ts";
export type { Outcome, OwnedGradient, RankEvents, StepReport } from "./rank/events.ts";
