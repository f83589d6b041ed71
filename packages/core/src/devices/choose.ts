// Which device runs: what the script names, else what ORTHANT_DEVICE names, else the first that works. Starting one is index.ts's.
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
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

export const noNvidia = (): string | undefined => (hasFile("/dev", /^nvidia\d+$/) ? undefined : "no NVIDIA GPU");

export const noGpu = (): string | undefined => (hasFile("/dev/dri", /^renderD/) || !noNvidia() ? undefined : "no GPU");

/** Says that none of the npm packages is installed. */
export function noneOf(...packages: readonly string[]): string | undefined {
  const { resolve } = createRequire(import.meta.url);
  const found = packages.some((name) => {
    try {
      return resolve(name) !== undefined;
    } catch {
      return false;
    }
  });
  return found ? undefined : "not installed";
}

/** A device that has started, and why it is that one. */
export interface Chosen {
  readonly device: Device;
  readonly active: Active;
  /** One line, such as `device wasm: no cuda (no NVIDIA GPU), no webgpu (no GPU), no tensorflow (not installed)`. */
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
  const others = [...passed].filter(([other]) => other !== name).map(([other, why]) => `no ${other} (${why})`);
  return `device ${name}${detail ? `, ${detail}` : ""}${others.length ? `: ${others.join(", ")}` : ""}`;
}

/** What an error says, without the name and the ways out behind its first words. */
const shortOf = ({ name }: Device, { message }: Error): string =>
  message.replace(`device ${name}: `, "").split(/\n|[.;:,] | \(/, 1)[0] ?? "";
