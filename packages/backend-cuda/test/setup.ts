// Before the tests of kernels: g++, which the emulator compiles them with, and NVRTC; found or installed. Ends with how to get
// what is missing. Run it once before tests that run side by side: apt lets one in at a time.
import { spawnSync } from "node:child_process";
import { exit } from "node:process";
import { installNvrtc } from "./nvrtc/install.ts";

const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
const needs = {
  "g++": () => works("g++", "--version"),
  "python3-pip": () => works("python3", "-m", "pip", "--version"),
};
const missing = (): string[] => Object.entries(needs).flatMap(([name, there]) => (there() ? [] : [name]));

if (missing().length && process.getuid?.() === 0 && works("apt-get", "update"))
  spawnSync("apt-get", ["install", "-y", "--no-install-recommends", ...missing()], { stdio: "inherit" });
if (missing().length) {
  console.error(`the tests of kernels need ${missing().join(" and ")}: apt-get install ${missing().join(" ")}`);
  exit(1);
}
console.log(`NVRTC: ${installNvrtc()}`);
