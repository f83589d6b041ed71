// One of several GPUs for each rank of a machine. WebGPU itself offers the first that Vulkan lists and names no other. On Linux a layer of
// Mesa (mesa-vulkan-drivers has it, for GPUs of every maker) puts that first which the process's environment names, by its place on the
// PCI bus, so each process has one GPU. Not for threads: they share an environment.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { env, platform, stderr, versions } from "node:process";
import { isMainThread } from "node:worker_threads";

/** Where the Vulkan loader looks for layers, and the one of Mesa that selects. */
const layerFolders = ["/usr/share", "/usr/local/share", "/etc", `${env.HOME}/.local/share`];
const layerFile = "vulkan/implicit_layer.d/VkLayer_MESA_device_select.json";

/** What the layer reads: a GPU, and that there be no other. */
const [selected, alone] = ["DRI_PRIME", "MESA_VK_DEVICE_SELECT_FORCE_DEFAULT_DEVICE"];

/** `0000:17:00.0`, as the kernel and nvidia-smi write it (the latter with eight digits first), in the layer's words: `pci-0000_17_00_0`. */
export function toSelector(given: string): string {
  const [, domain, bus, device, part] =
    /^(?:[0-9a-f]{4})?([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.(\d)$/i.exec(given) ?? [];
  if (bus) return `pci-${domain}_${bus}_${device}_${part}`.toLowerCase();
  if (/^[0-9a-f]{1,8}:[0-9a-f]{1,8}$/i.test(given)) return given;
  throw new Error(
    `device webgpu: ORTHANT_WEBGPU_GPUS names "${given}": a GPU is its place on the PCI bus, such as 0000:17:00.0 (lspci, nvidia-smi), ` +
      "or maker:model, such as 10de:2330",
  );
}

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** A GPU: its place on the PCI bus, and what model it is. */
type Found = readonly [place: string, model: string];

/** NVIDIA's driver shows a file for each of its GPUs, and says where they are. */
function ofNvidia(): Found[] {
  if (list("/dev").filter((name) => /^nvidia\d+$/.test(name)).length < 2) return [];
  const { stdout } = spawnSync("nvidia-smi", ["--query-gpu=pci.bus_id,name", "--format=csv,noheader"]);
  const lines = `${stdout ?? ""}`.trim().split("\n");
  return lines.map((line) => line.split(", ") as [string, string]).filter(([, model]) => model);
}

/** Other drivers show a file for each that computes. */
function ofOthers(): Found[] {
  const cards = list("/sys/class/drm").filter(
    (name) => name.startsWith("renderD") && existsSync(join("/dev/dri", name)),
  );
  return cards.map((name) => {
    const device = realpathSync(join("/sys/class/drm", name, "device"));
    const read = (file: string) =>
      existsSync(join(device, file)) ? readFileSync(join(device, file), "utf8").trim() : "";
    return [basename(device), `${read("vendor")}:${read("device")}`];
  });
}

/** Places of the largest number of GPUs of one model, in order; a lone GPU beside others of another model is no choice to make. */
export function alike(found: readonly Found[]): string[] {
  const models = Map.groupBy(found, ([, model]) => model);
  const [most = []] = [...models.values()].sort((a, b) => b.length - a.length);
  return most.map(([place]) => place).sort();
}

/** The GPUs to divide among this machine's ranks, in the layer's words: those that ORTHANT_WEBGPU_GPUS lists, else all of one model. */
function gpusHere(): string[] {
  const given = env.ORTHANT_WEBGPU_GPUS?.split(",").map((each) => each.trim());
  if (given?.some(Boolean)) return given.filter(Boolean).map(toSelector);
  if (platform !== "linux") return [];
  const nvidia = alike(ofNvidia());
  return (nvidia.length ? nvidia : alike(ofOthers())).map(toSelector);
}

const ffi: string = "bun:ffi"; // not a literal: bundlers for other runtimes look for it

/** Writes into the environment that libraries see: Bun keeps what `process.env` is given to itself. */
async function setEnv(name: string, value: string): Promise<void> {
  env[name] = value;
  if (!versions.bun) return;
  const { dlopen } = await import(ffi);
  const { symbols } = dlopen("libc.so.6", { setenv: { args: ["cstring", "cstring", "i32"], returns: "i32" } });
  symbols.setenv(Buffer.from(`${name}\0`), Buffer.from(`${value}\0`), 1);
}

const wayOut = (): string | undefined => {
  if (!isMainThread) return "ranks in threads share it: orthant run gives each a process";
  if (layerFolders.some((folder) => existsSync(join(folder, layerFile)))) return undefined;
  return "Mesa's device-select layer, which chooses another, is not here: install mesa-vulkan-drivers";
};

/**
 * Makes the rank's GPU the only one that Vulkan offers to this process, where there are several. Returns which, in a few words, or nothing;
 * says in a line on stderr where all ranks share one. Who sets DRI_PRIME or MESA_VK_DEVICE_SELECT chooses for himself.
 */
export async function chooseGpu(localRank: number): Promise<string | undefined> {
  if (env[selected] || env.MESA_VK_DEVICE_SELECT) return undefined;
  const gpus = gpusHere();
  if (gpus.length < 2 && !env.ORTHANT_WEBGPU_GPUS) return undefined;
  const why = wayOut();
  if (why) {
    if (localRank > 0) stderr.write(`device webgpu: ${gpus.length} GPUs, and this rank takes the first: ${why}\n`);
    return undefined;
  }
  const at = localRank % gpus.length;
  await setEnv(selected, gpus[at]!);
  await setEnv(alone, "1");
  return `GPU ${at} of ${gpus.length} (${gpus[at]})`;
}
