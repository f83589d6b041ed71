// What only a real card shows of memory: copies of every size come back as they went, nothing leaks, and running out of memory
// is an error after which work goes on.
import * as tf from "@tensorflow/tfjs";
import { CudaBackend } from "../../src/backend/backend.ts";
import { openGpu } from "../../src/driver/cuda.ts";
import { allocator } from "../../src/memory/allocator.ts";

/** Differing elements of vectors that went to the card and came back, asked for all at once. */
async function copies(): Promise<number> {
  const sizes = [1, 2, 1000, 16384, 16385, 1 << 20, 5_000_001];
  const vectors = sizes.map((size) => Float32Array.from({ length: size }, Math.random));
  const tensors = vectors.map((vector) => tf.tensor1d(vector));
  const found = await Promise.all(tensors.map((x) => x.data()));
  const apart = vectors.flatMap((vector, i) =>
    Buffer.compare(Buffer.from(vector.buffer), Buffer.from(found[i]!.buffer)) ? [i] : [],
  );
  const again = tensors.map((x, i) =>
    Buffer.compare(Buffer.from(x.dataSync().buffer), Buffer.from(vectors[i]!.buffer)),
  );
  tf.dispose(tensors);
  return apart.length + again.filter((each) => each !== 0).length;
}

/** Wrong answers among many small tensors that are written and read: more than the ring of pinned memory holds. */
function ring(): number {
  const sums = Array.from({ length: 400 }, (_, i) =>
    tf.tidy(() => tf.tensor1d(new Float32Array(12_000).fill(i)).max().dataSync()[0]! - i),
  );
  return sums.filter((each) => each !== 0).length;
}

function leak(backend: CudaBackend): number {
  const step = () =>
    tf.tidy(
      () =>
        void tf
          .matMul(tf.ones([64, 64]), tf.ones([64, 64]))
          .softmax()
          .sum()
          .dataSync(),
    );
  step();
  const before = backend.memoryPool.counters();
  for (let i = 0; i < 1000; i++) step();
  const after = backend.memoryPool.counters();
  return after.held - before.held + after.used - before.used;
}

function outOfMemory(backend: CudaBackend): number {
  const many: tf.Tensor[] = [];
  let said = "";
  try {
    for (let i = 0; i < 1000; i++) many.push(tf.fill([1 << 28], i));
  } catch (error) {
    said = (error as Error).message;
  }
  tf.dispose(many);
  backend.memoryPool.trim();
  const goesOn = tf.tidy(() => tf.ones([4]).sum().dataSync()[0] === 4);
  console.log(said);
  return /a tensor \[268435456\] of float32 asks for 1024.0 MiB/.test(said) && goesOn ? 0 : 1;
}

export async function memoryChecks(): Promise<readonly (readonly [string, () => number])[]> {
  const gpu = openGpu({ compute: "tf32" });
  const backend = new CudaBackend(gpu, allocator(gpu), "tf32");
  tf.removeBackend("cuda");
  tf.registerBackend("cuda", () => backend);
  await tf.setBackend("cuda");
  const differing = await copies();
  return [
    ["copies", () => differing],
    ["small writes", ring],
    ["leaks in 1,000 rounds", () => leak(backend)],
    ["out of memory", () => outOfMemory(backend)],
  ];
}
