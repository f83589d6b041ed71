// The exports of @orthant/testing.

export { builtIn, zero3Step } from "./built-in.ts";
export { type Case, runCases } from "./case.ts";
export { accountingFailures, type Errors, errorsBetween, heldFailures, lossError } from "./compare.ts";
export { type DeviceTest, testDevice } from "./device/device.ts";
export { type LayerKind, layerKinds } from "./device/layer-kinds.ts";
export { caseOptions, type DifferentialOptions, differential, differentialCases, type Row } from "./differential.ts";
export type { Features, Fixture, Placed, Setting } from "./fixture/fixture.ts";
export { fixtureData, fixtureModel } from "./fixture/model.ts";
export { extras, grid, type MeshCase, onThreads, pairwise, showCase, strategiesOf } from "./grid.ts";
export { type Observed, observe, type Pieces } from "./observe.ts";
export { type Cell, featuresOf, pairRunner, pairTraining, placePair, referenceOf } from "./pairs.ts";
export { delayed, type SlowLinks, slowed } from "./slow.ts";
export { underAdamw, underSgd } from "./standard.ts";
export { type StrategyTest, testStrategy, type UnderTest } from "./strategy.ts";
export { showRow, showTable, showWorst, tableHead } from "./table.ts";
export { tiny, tinyGpt, tinyLlama, tinySequences } from "./tiny.ts";
export { type OpenTransport, testTransport } from "./transport.ts";
