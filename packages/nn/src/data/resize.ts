// A picture brought to a fixed size and to grey or RGB, as numbers from 0 to 1. Shrinking averages over the pixels that one covers,
// growing interpolates between the nearest: bilinear with a support that widens with the scale, as libraries of pictures do.
import type { Picture } from "./decode.ts";

/** Which pixels of one dim make a new one, and their shares, which sum to 1. */
interface Share {
  readonly from: number;
  readonly shares: readonly number[];
}

function sharesOf(size: number, wanted: number): Share[] {
  const scale = size / wanted;
  const reach = Math.max(1, scale);
  return Array.from({ length: wanted }, (_, i) => {
    const centre = (i + 0.5) * scale - 0.5;
    const from = Math.max(0, Math.ceil(centre - reach));
    const to = Math.min(size - 1, Math.floor(centre + reach));
    const raw = Array.from({ length: to - from + 1 }, (_, k) => Math.max(0, 1 - Math.abs(from + k - centre) / reach));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { from, shares: raw.map((share) => share / sum) };
  });
}

/** Colours of a picture, `[height, width, channels]`, from 0 to 1; what is clear is black. */
function coloursOf({ width, height, channels, data, white }: Picture, wanted: 1 | 3): Float32Array {
  const [grey, alpha] = [channels < 3, channels % 2 === 0];
  const out = new Float32Array(width * height * wanted);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const at = pixel * channels;
    const seen = (alpha ? data[at + channels - 1]! / white : 1) / white;
    const [r, g, b] = [data[at]!, data[at + (grey ? 0 : 1)]!, data[at + (grey ? 0 : 2)]!];
    if (wanted === 1)
      out[pixel] = (0.299 * r + 0.587 * g + 0.114 * b) * seen; // Rec. 601
    else out.set([r * seen, g * seen, b * seen], 3 * pixel);
  }
  return out;
}

/** Resizes the middle one of three dims. */
function along(values: Float32Array, [outer, size, inner]: readonly [number, number, number], wanted: number) {
  if (size === wanted) return values;
  const out = new Float32Array(outer * wanted * inner);
  const all = sharesOf(size, wanted);
  for (let o = 0; o < outer; o++)
    for (const [i, { from, shares }] of all.entries())
      for (const [k, share] of shares.entries())
        for (let c = 0; c < inner; c++)
          out[(o * wanted + i) * inner + c]! += share * values[(o * size + from + k) * inner + c]!;
  return out;
}

/** Values of `picture` at another size: `[height, width, channels]`, from 0 to 1. Sides are scaled apart. */
export function resized(picture: Picture, [height, width, channels]: readonly [number, number, 1 | 3]): Float32Array {
  const colours = coloursOf(picture, channels);
  const wide = along(colours, [picture.height, picture.width, channels], width);
  return along(wide, [1, picture.height, width * channels], height);
}
