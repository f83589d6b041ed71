// A stream of functions; what they give is a list of parts.
export default async function* made() {
  for (let i = 0; ; i++) yield () => ({ input: [Float32Array.of(i), Float32Array.of(0)], target: Float32Array.of(1) });
}
