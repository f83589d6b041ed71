// A stream that is late by a millisecond each sample; of three, an epoch.
import type { Pass } from "../../src/index.ts";

export default async function* late({ seed, epoch }: Pass) {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    yield { input: Float32Array.of(i, epoch), target: Float32Array.of(seed) };
  }
}
