// Strategies of many kinds: examples to copy, each with the fixture that tests put it in.
export { context, contextFixture } from "./context.ts";
export { disk, diskFixture } from "./disk.ts";
export { dropoutFixture } from "./dropout.ts";
export { experts, expertsFixture } from "./experts.ts";
export { freeze, frozenFixture } from "./frozen.ts";
export { hybrid, hybridFixture } from "./hybrid.ts";
export { int8, int8Fixture } from "./int8.ts";
export { islands, islandsFixture } from "./islands.ts";
export { tiedFixture } from "./tied.ts";
