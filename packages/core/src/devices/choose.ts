// Which device runs: what the script names, else what ORTHANT_DEVICE names, else the first that works. Starting one is index.ts's.
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { env, platform } from "node:process";
import type { Active, Device, DeviceChoice, DeviceName, Where } from "./device.ts";

/** The device that the environment names, where the script leaves it open; "auto" where neither says. Unchecked. */
export const chosen = (choice: DeviceChoice = "auto"): DeviceChoice =>
  choice === "auto" ? ((env.ORTHANT_DEVICE || "auto") as DeviceName) : choice;

/** Position of a thread among those of this machine: `orthant run` counts its processes, and this process its threads from there. */
export const localRank = (thread = 0): number => Number(env.ORTHANT_LOCAL_RANK || 0) + thread;

/** A device that "auto" may take. */
export interface Candidate {
  readonly device: Device;
  /** Why it is not worth a try, told in no time; undefined where it is. */
  absent?(): string | undefined;
  /** Only on a GPU, and not on software that stands for one. */
  readonly onGpu?: boolean;
}

const some = (folder: string, name: RegExp): boolean =>
  existsSync(folder) && readdirSync(folder).some((file) => name.test(file));

/** Linux shows a GPU as a file; elsewhere the device itself has to say. */
const hasFile = (folder: string, name: RegExp): boolean =>
  platform !== "linux" || some(folder, name) || existsSync("/dev/dxg"); // WSL has the latter alone

const ofNvidia = (): boolean => hasFile("/dev", /^nvidia\d+$/);

export const noGpu = (): string | undefined => (hasFile("/dev/dri", /^renderD/) || ofNvidia() ? undefined : "no GPU");

export const noNvidia = (): string | undefined => noGpu() ?? (ofNvidia() ? undefined : "no NVIDIA GPU");

/** Whether a folder is in a `node_modules` at or above this file: a tenth of the time of asking Node. */
function isInstalled(path: string, from = import.meta.dirname): boolean {
  const above = dirname(from);
  return existsSync(join(from, "node_modules", path)) || (above !== from && isInstalled(path, above));
}

/** Says that none of these folders of npm packages is there. */
export const noneOf = (...paths: readonly string[]): string | undefined =>
  paths.some((path) => isInstalled(path)) ? undefined : "not installed";

/** A device that has started, and why it is that one. */
export interface Chosen {
  readonly device: Device;
  readonly active: Active;
  /** One line, such as `device wasm: no cuda or webgpu (no GPU), no tensorflow (not installed)`. */
  readonly why: string;
}

/** Starts the first candidate that works. The last is not asked twice: what it throws is thrown. */
export async function firstOf(candidates: readonly Candidate[], where: Where): Promise<Chosen> {
  const passed = new Map<string, string>();
  for (const { device, absent, onGpu = false } of candidates.slice(0, -1)) {
    const missing = absent?.();
    const active = missing ?? (await device.start(where).catch((error: Error) => shortOf(device, error)));
    if (typeof active === "string") passed.set(device.name, active);
    else if (onGpu && !active.gpu) passed.set(device.name, "no GPU");
    else return { device, active, why: line(device, active, passed) };
  }
  const { device } = candidates.at(-1)!;
  const active = await device.start(where);
  return { device, active, why: line(device, active, passed) };
}

function line({ name }: Device, { detail }: Active, passed: ReadonlyMap<string, string>): string {
  const reasons = Map.groupBy(
    [...passed].filter(([other]) => other !== name),
    ([, why]) => why,
  );
  const others = [...reasons].map(([why, all]) => `no ${all.map(([other]) => other).join(" or ")} (${why})`);
  return `device ${name}${detail ? `, ${detail}` : ""}${others.length ? `: ${others.join(", ")}` : ""}`;
}

/** What an error says, without the name and the ways out behind its first words. */
const shortOf = ({ name }: Device, { message }: Error): string =>
  message.replace(`device ${name}: `, "").split(/\n|[.;:,] | \(/, 1)[0] ?? "";
