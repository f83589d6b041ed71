// The kinds of numbers that frames carry, by name. A transport moves them as bytes; which of them may be summed is for a
// group to say.

/** Bytes of one element, by dtype. A bfloat16 is the upper half of a float32. */
export const elementBytes = { float32: 4, float64: 8, int32: 4, int8: 1, uint8: 1, bfloat16: 2 } as const;

/** Names the kind of a frame's elements. */
export type DTypeName = keyof typeof elementBytes;
