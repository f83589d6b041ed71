// Sees to a Vulkan driver for the WebGPU tests: keeps the one that is there, or installs Mesa's software driver
// (lavapipe) where this is root on a Debian-like system.
import { existsSync, readdirSync } from "node:fs";
import { getuid } from "node:process";
import { must } from "./run.ts";

const folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
const drivers = folders.filter((folder) => existsSync(folder)).flatMap((folder) => readdirSync(folder));
const lavapipe = drivers.some((file) => file.startsWith("lvp_icd"));

if (!lavapipe && getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
  must("apt-get", ["update", "-qq"]);
  must("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "mesa-vulkan-drivers"]);
} else if (!lavapipe && process.platform === "linux") {
  console.error("no Vulkan software driver: install it with `sudo apt-get install mesa-vulkan-drivers` and run again");
  process.exit(1);
}
