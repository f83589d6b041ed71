// Samples that are a millisecond late each, and the same at once.
export const pointOf = (i: number) => ({
  input: Float32Array.from({ length: 64 }, (_, p) => Math.sin(p * i)),
  target: Float32Array.of(Math.cos(i)),
});

export default async function* late() {
  for (let i = 0; ; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    yield pointOf(i);
  }
}
