// A stream that breaks after its first sample.
export default async function* broken() {
  yield { input: Float32Array.of(0, 0), target: Float32Array.of(0) };
  throw new Error("the disk is gone");
}
