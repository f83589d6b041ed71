// tfjs's WebGPU backend with a pool that counts, errors that name what happened, and what this folder's kernels need: one
// dispatch of a program in WGSL, and a read of many tensors at once. Programs join tfjs's own command buffer, so that the order of
// calls is the order on the GPU.
import { setTimeout } from "node:timers/promises";
import type * as tf from "@tensorflow/tfjs";
import { OutOfMemory, Pool } from "./pool.ts";
import { grid, type Program, toBytes, toWgsl } from "./program.ts";
import { type Binding, StockBackend, type Uniforms } from "./stock.ts";

/** Sets of constants that stay on the GPU: those of a step repeat, but for the optimizer's. */
const constantsKept = 4096;

/** Dispatches to one submission: freed buffers wait for it, so more hold more. */
const dispatchesSubmitted = 64;

/** Makes float32 numbers of whole ones. */
const toFloats: Program = {
  name: "toFloats",
  inputs: { x: "i32" },
  outputs: { y: "f32" },
  constants: { size: "u32" },
  lanes: 256,
  body: "let i = block * 256u + lane; if (i < c.size) { y[i] = f32(x[i]); }",
};

const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Names of Vulkan in software: SwiftShader, and Mesa's lavapipe. */
const isSoftware = ({ architecture, description, device }: GPUAdapterInfo): boolean =>
  /swiftshader|llvmpipe|lavapipe/i.test(`${architecture} ${description} ${device}`);

/** Elements of one tensor to be copied into another, four bytes each: a tensor and its first element. */
export interface Copy {
  readonly from: readonly [x: tf.TensorInfo, at: number];
  readonly to: readonly [y: tf.TensorInfo, at: number];
  readonly count: number;
}

export class Backend extends StockBackend {
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  readonly #constants = new Map<string, Binding>();
  /** True where threads of the host compute, not a GPU: there a barrier in a kernel costs more than it saves. */
  software: boolean;
  /** What computes, as the adapter calls itself. */
  readonly detail: string;
  /** What the GPU refused, until somebody was told. */
  #failure: Error | undefined;
  /** Why nothing can be computed any more. */
  #loss: Error | undefined;

  /** `which` of several GPUs this is, for `detail`. */
  constructor(device: GPUDevice, info: GPUAdapterInfo, limit: number, which?: string) {
    super(device, info);
    this.software = isSoftware(info);
    const name = info.description || info.device || info.vendor;
    this.detail = which ? `${name}, ${which}` : name;
    const fail = (error: Error) => {
      this.#failure ??= error;
    };
    this.bufferManager = new Pool(device, { limit, onRefused: fail });
    device.addEventListener("uncapturederror", ({ error }) => fail(new Error(`device webgpu: ${error.message}`)));
    device.lost.then(({ reason, message }) => {
      this.#loss = new Error(`device webgpu: the GPU was lost (${reason}): ${message}`);
    });
  }

  /** The failure behind an error, of which the GPU may tell a little later. */
  async #reason(error: unknown): Promise<unknown> {
    if (!this.#failure && !this.#loss) await Promise.race([this.device.lost, setTimeout(100)]);
    return this.#told() ?? error;
  }

  /** A refusal is told once, for what comes after it may fit; a loss to everybody. */
  #told(): Error | undefined {
    const failure = this.#failure ?? this.#loss;
    this.#failure = undefined;
    return failure;
  }

  #check(): void {
    const failure = this.#told();
    if (failure) throw failure;
  }

  /** A tensor whose elements are not yet written. */
  output(shape: readonly number[], dtype: tf.DataType = "float32"): tf.TensorInfo {
    return sizeOf(shape) ? this.makeTensorInfo(shape, dtype) : this.makeTensorInfo(shape, dtype, new Float32Array(0));
  }

  /** A vector of numbers that a program reads; whoever made it frees it. */
  constant(values: Float32Array | Int32Array): tf.TensorInfo {
    return this.makeTensorInfo([values.length], values instanceof Int32Array ? "int32" : "float32", values);
  }

  /** Copies elements, after all that was launched before. */
  copy(all: readonly Copy[]): void {
    this.#check();
    const floats = all.map(({ from: [x] }) => this.#asFloats(x));
    const buffers = all.map(({ to: [y] }, i) => [this.#bufferOf(floats[i]!), this.#bufferOf(y)] as const);
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    for (const [i, { from, to, count }] of all.entries())
      this.commandEncoder!.copyBufferToBuffer(buffers[i]![0], 4 * from[1], buffers[i]![1], 4 * to[1], 4 * count);
    for (const [i, x] of floats.entries()) if (x !== all[i]!.from[0]) this.disposeData(x.dataId);
  }

  /** Runs a program in `count` workgroups: inputs, outputs and constants in the program's order. */
  launch(
    program: Program,
    inputs: readonly tf.TensorInfo[],
    outputs: readonly tf.TensorInfo[],
    constants: Readonly<Record<string, number>>,
    count: number,
  ): void {
    if (!count) return;
    this.#check();
    const floats = inputs.map((x) => this.#asFloats(x, program));
    const buffers = [...floats, ...outputs].map((x) => this.#bufferOf(x));
    const bound = [...buffers.map((buffer) => ({ buffer })), this.#constantsOf(program, constants)];
    const pipeline = this.#pipelineOf(program);
    const entries = bound.map((resource, binding) => ({ binding, resource }));
    const group = this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    this.ensureCommandEncoderReady();
    this.computePassEncoder ??= this.commandEncoder!.beginComputePass();
    this.computePassEncoder.setPipeline(pipeline);
    this.computePassEncoder.setBindGroup(0, group);
    this.computePassEncoder.dispatchWorkgroups(...grid(count));
    for (const [i, x] of floats.entries()) if (x !== inputs[i]) this.disposeData(x.dataId);
    if (++this.dispatchCountInPass < dispatchesSubmitted) return;
    this.endComputePassEncoder();
    this.submitQueue();
  }

  /** A tensor of float32 whose elements are: `x` itself, or a copy where a cast left whole numbers. */
  #asFloats(x: tf.TensorInfo, program?: Program): tf.TensorInfo {
    if (x.dtype !== "float32" || program === toFloats || this.tensorMap.get(x.dataId).dtype === "float32") return x;
    const [y, size] = [this.output(x.shape), sizeOf(x.shape)];
    this.launch(toFloats, [x], [y], { size }, Math.ceil(size / 256));
    return y;
  }

  #bufferOf({ dataId }: tf.TensorInfo): GPUBuffer {
    this.uploadToGPU(dataId);
    this.commandQueueOwnedIds.add(dataId);
    return this.tensorMap.get(dataId).resource!;
  }

  #pipelineOf(program: Program): GPUComputePipeline {
    const known = this.#pipelines.get(program.name);
    if (known) return known;
    const module = this.device.createShaderModule({ code: toWgsl(program), label: program.name });
    const made = this.device.createComputePipeline({
      compute: { module, entryPoint: "main" },
      label: program.name,
      layout: "auto",
    });
    this.#pipelines.set(program.name, made);
    return made;
  }

  #constantsOf({ constants, varies }: Program, values: Readonly<Record<string, number>>): Binding {
    const bytes = toBytes(constants, values);
    const size = bytes.byteLength;
    const make = (): Binding => {
      const buffer = this.bufferManager.acquireBuffer(size, GPUBufferUsage.COPY_DST | GPUBufferUsage.UNIFORM);
      this.device.queue.writeBuffer(buffer, 0, bytes);
      return { buffer, offset: 0, size };
    };
    if (!varies) return this.#kept(`${new Uint32Array(bytes)}`, make);
    const made = make();
    this.uniformPendingDisposal.push(made.buffer);
    return made;
  }

  #kept(key: string, make: () => Binding): Binding {
    const known = this.#constants.get(key);
    if (known) return known;
    if (this.#constants.size >= constantsKept) {
      this.uniformPendingDisposal.push(...[...this.#constants.values()].map(({ buffer }) => buffer));
      this.#constants.clear();
    }
    const made = make();
    this.#constants.set(key, made);
    return made;
  }

  /** tfjs writes the shapes of a call anew each time; here those that were seen before are there already. */
  override makeUniforms(given: Uniforms): Binding {
    const key = given.map(({ type, data }) => `${type} ${data}`).join();
    return this.#kept(key, () => {
      const made = super.makeUniforms(given);
      this.uniformPendingDisposal.pop();
      return made;
    });
  }

  override uploadToGPU(id: object): void {
    try {
      super.uploadToGPU(id);
    } catch (error) {
      const tensor = `a tensor of [${this.tensorMap.get(id).shape}]`;
      if (error instanceof OutOfMemory) throw new OutOfMemory(`${tensor}: ${error.why}`);
      const why =
        (this.#failure ?? this.#loss)?.message ?? `device webgpu: ${tensor} did not reach the GPU, which may be lost`; // the loss is told later
      throw new Error(`${why}: ${(error as Error).message}`, { cause: error });
    }
  }

  override recordAndSubmit(...given: unknown[]): void {
    this.#check();
    super.recordAndSubmit(...given);
  }

  override async read(id: object): Promise<Float32Array> {
    try {
      this.#check();
      return await super.read(id);
    } catch (error) {
      throw await this.#reason(error);
    }
  }

  /** Copies the elements of float32 tensors: one submission and one wait for all. */
  async readAll(xs: readonly tf.Tensor[]): Promise<Float32Array[]> {
    const stored = xs.map(({ dataId }) => this.tensorMap.get(dataId));
    const onGpu = xs.filter((_, i) => !stored[i]!.values);
    if (onGpu.length < 2 || stored.some(({ dtype }) => dtype !== "float32"))
      return Promise.all(xs.map(async ({ dataId }) => Float32Array.from(await this.read(dataId))));
    this.#check();
    const bytes = await this.#download(onGpu.map((x) => this.#bufferOf(x)));
    let at = 0;
    return xs.map((x) => {
      const { values } = this.tensorMap.get(x.dataId);
      if (values) return Float32Array.from(values);
      const found = new Float32Array(bytes, at, x.size);
      at += 4 * x.size;
      return found;
    });
  }

  async #download(buffers: readonly GPUBuffer[]): Promise<ArrayBuffer> {
    const size = buffers.reduce((n, buffer) => n + buffer.size, 0);
    const staging = this.bufferManager.acquireBuffer(size, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    let at = 0;
    for (const buffer of buffers) {
      this.commandEncoder!.copyBufferToBuffer(buffer, 0, staging, at, buffer.size);
      at += buffer.size;
    }
    this.submitQueue();
    try {
      await staging.mapAsync(GPUMapMode.READ);
    } catch (error) {
      throw await this.#reason(error);
    }
    const bytes = staging.getMappedRange().slice(0);
    staging.unmap();
    this.bufferManager.releaseBuffer(staging);
    return bytes;
  }
}
