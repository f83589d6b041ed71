// Causal attention by name: fused up to the widest head that kernels here take, written out beyond.
import type { TensorInfo } from "@tensorflow/tfjs";
import type { CudaBackend } from "../../backend/backend.ts";
import { WIDEST } from "../../sources/attention.ts";
import type { Attributes, Inputs, Table } from "../table.ts";
import { composite, compositeGrad, packedComposite, packedCompositeGrad } from "./composite.ts";
import { backward, forward } from "./fused.ts";
import { apart, packed } from "./heads.ts";

function attention(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const heads = apart(inputs, attrs);
  return heads.places.K > WIDEST ? composite(b, inputs, heads.scale) : forward(b, heads, inputs.q!.shape);
}

function attentionGrad(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const heads = apart(inputs, attrs);
  return heads.places.K > WIDEST ? compositeGrad(b, inputs, heads.scale) : backward(b, heads, inputs);
}

function packedAttention(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo[] {
  const heads = packed(inputs, attrs);
  const { B, T, H, K } = heads.places;
  return K > WIDEST ? packedComposite(b, inputs.qkv!, heads) : forward(b, heads, [B, T, H, K]);
}

function packedAttentionGrad(b: CudaBackend, inputs: Inputs, attrs: Attributes): TensorInfo {
  const heads = packed(inputs, attrs);
  return heads.places.K > WIDEST ? packedCompositeGrad(b, inputs, heads) : backward(b, heads, inputs)[0]!;
}

export const attentions: Table = {
  "orthant.attention": attention,
  "orthant.attentionGrad": attentionGrad,
  "orthant.packedAttention": packedAttention,
  "orthant.packedAttentionGrad": packedAttentionGrad,
};
