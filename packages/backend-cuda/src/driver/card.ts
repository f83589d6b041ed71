// The card a thread computes on: chosen among those the driver has, refused where it is too old.
import { type Calls, out } from "./calls.ts";

export interface Card {
  readonly device: number;
  readonly name: string;
  /** Compute capability, 90 for 9.0. */
  readonly capability: number;
  readonly processors: number;
  /** CUDA's major version that the driver runs, 13. */
  readonly generation: number;
}

const OLDEST = { capability: 80, generation: 12 } as const;
const attributes = { major: 75, minor: 76, processors: 16 } as const;

function count(cuda: Calls): number {
  try {
    cuda.init(0);
    return out((into) => cuda.deviceCount(into));
  } catch (error) {
    throw new Error(
      `device cuda: the driver finds no GPU (${(error as Error).message}); see nvidia-smi and CUDA_VISIBLE_DEVICES`,
    );
  }
}

function nameOf(cuda: Calls, device: number): string {
  const bytes = new Uint8Array(128);
  cuda.deviceName(bytes, bytes.length, device);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

function check({ name, capability, generation }: Card): void {
  if (generation < OLDEST.generation)
    throw new Error(
      `device cuda: the driver runs CUDA ${generation}, and ${OLDEST.generation} is the oldest that works; install a newer driver`,
    );
  if (capability < OLDEST.capability)
    throw new Error(
      `device cuda: ${name} has compute capability ${capability / 10}, and ${OLDEST.capability / 10} is the oldest that works`,
    );
}

/** Finds card `localRank`, counted around those there are. Throws where there is none, or none that this package can use. */
export function findCard(cuda: Calls, localRank = 0): Card {
  const cards = count(cuda);
  if (!cards) throw new Error("device cuda: the driver finds no GPU; see nvidia-smi and CUDA_VISIBLE_DEVICES");
  const device = out((into) => cuda.device(into, localRank % cards));
  const read = (attribute: number) => out((into) => cuda.attribute(into, attribute, device));
  const card = {
    device,
    name: nameOf(cuda, device),
    capability: 10 * read(attributes.major) + read(attributes.minor),
    processors: read(attributes.processors),
    generation: Math.floor(out((into) => cuda.driverVersion(into)) / 1000),
  };
  check(card);
  return card;
}
