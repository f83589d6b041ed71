// Tied parameters are a feature of a model, not a strategy: two layers declare a parameter of one shape with the same `tie`, and
// core keeps it one, also where a pipeline puts the layers on different stages (Press and Wolf: Using the output embedding, 2017).
import { pipeline } from "@orthant/pipeline";
import type { Fixture } from "@orthant/testing";

/** Tied weights under test: the head's is the embedding's, on the first stage and on the last. */
export const tiedFixture: Fixture = {
  name: "tied",
  features: { tied: true },
  make: ({ size }) => ({ mesh: { pp: size }, strategies: [pipeline({ schedule: "1f1b", micros: 2 })] }),
};
