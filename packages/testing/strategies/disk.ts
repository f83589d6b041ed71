// Optimizer state on disk, between one update of a parameter and the next (Rajbhandari et al.: ZeRO-Infinity, SC 2021, section
// 5.2, without the overlap). Works beside any strategy: each rank keeps the state of what it owns. Holds no optimizer bytes.
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { elements, type StoreLayer, type Strategy } from "@orthant/core";
import * as tf from "@tensorflow/tfjs";

/** Names a strategy without an axis; each rank makes a folder of its own in `folder`, and removes it in the end. */
export const disk = ({ folder = tmpdir() } = {}): Strategy => ({
  name: "disk",
  store: (_, { rank }) => onDisk(mkdtempSync(join(folder, `orthant-rank-${rank}-`))),
  cost: () => ({
    calls: [],
    held({ params, piece, slots }) {
      const trained = params.filter(({ frozen }) => !frozen);
      return { optimizer: -4 * slots * trained.reduce((sum, spec) => sum + piece(spec), 0) };
    },
  }),
});

/** Keeps one file a parameter: its slots, one after the other, float32. */
function onDisk(folder: string): StoreLayer {
  const shapes = new Map<string, number[][]>();
  const file = (name: string) => join(folder, encodeURIComponent(name));
  return {
    async slots(name) {
      const kept = shapes.get(name);
      if (!kept) return undefined;
      const { buffer, byteOffset } = await readFile(file(name));
      let from = byteOffset;
      return kept.map((shape) => {
        const values = new Float32Array(buffer.slice(from, from + 4 * elements(shape)));
        from += 4 * elements(shape);
        return tf.tensor(values, shape);
      });
    },
    async keepSlots(name, slots) {
      const values = await Promise.all(slots.map(async (slot) => (await slot.data()) as Float32Array));
      tf.dispose([...slots]);
      shapes.set(
        name,
        slots.map(({ shape }) => shape),
      );
      await writeFile(
        file(name),
        Buffer.concat(values.map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength))),
      );
    },
    dispose: () => rmSync(folder, { recursive: true }),
  };
}
