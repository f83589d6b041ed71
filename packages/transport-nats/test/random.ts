/** Whole numbers below a bound, from a seed. Park and Miller, 1988. */
export const random = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
};
