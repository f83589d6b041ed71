// The guard of recomputation: a forward that runs twice must not draw random numbers of its own.

/**
 * Runs a segment and refuses what draws without a seed, which in tfjs all ends in `Math.random`. `run` must be synchronous: nothing
 * else draws meanwhile.
 */
export function withoutDraws<T>(name: string, run: () => T): T {
  const { random } = Math;
  Math.random = () => {
    throw new Error(
      `segment ${name} draws random numbers of its own, and recompute would draw others in backward: ` +
        "draw them with tape.random(name) and hand them in as an input, or give the draw a seed",
    );
  };
  try {
    return run();
  } finally {
    Math.random = random;
  }
}
