// Sees to Vulkan in software for the WebGPU tests: Mesa's lavapipe for Deno, installed where this is root on a Debian-like system,
// and SwiftShader for Dawn (Node, Bun), which refuses Debian's lavapipe: `shaderUniformBufferArrayDynamicIndexing` is not in it.
// SwiftShader comes inside Debian's chromium-common, of which nothing is installed.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { getuid, platform } from "node:process";
import { must } from "./run.ts";

const folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
const installed = "/usr/lib/chromium/vk_swiftshader_icd.json";
const unpacked = resolve("node_modules/.cache/swiftshader");
const inPackage = join(unpacked, installed);

const hasApt = (): boolean => platform === "linux" && existsSync("/usr/bin/apt-get");
const asRoot = (): boolean => getuid?.() === 0 && hasApt();

const lavapipe = (): string | undefined =>
  folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
    .find((file) => file.includes("/lvp_icd"));

const swiftShader = (): string | undefined => [installed, inPackage].find((file) => existsSync(file));

function unpackSwiftShader(): void {
  mkdirSync(unpacked, { recursive: true });
  must("apt-get", ["download", "-qq", "chromium-common"], unpacked);
  const found = readdirSync(unpacked).find((file) => file.endsWith(".deb"))!;
  must("dpkg", ["-x", found, "."], unpacked);
}

function missing(what: string, name: string): never {
  console.error(`no ${what}: install it with \`sudo apt-get install ${name}\` and run again`);
  process.exit(1);
}

/** Finds or gets both drivers: files that the Vulkan loader reads when `VK_ICD_FILENAMES` names them. */
export function softwareVulkan(): { readonly lavapipe: string; readonly swiftShader: string } {
  if (asRoot() && !(lavapipe() && swiftShader())) must("apt-get", ["update", "-qq"]);
  if (asRoot() && !lavapipe())
    must("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "mesa-vulkan-drivers"]);
  if (hasApt() && !swiftShader()) unpackSwiftShader();
  return {
    lavapipe: lavapipe() ?? missing("lavapipe", "mesa-vulkan-drivers"),
    swiftShader: swiftShader() ?? missing("SwiftShader", "chromium-common"),
  };
}

if (import.meta.main) console.log(softwareVulkan());
