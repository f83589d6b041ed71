// Builds the addon of @tensorflow/tfjs-node where its own install cannot download it: from the C++ sources in its npm package, against
// the TensorFlow library and headers in PyPI's wheel `tensorflow-cpu`, and the headers of the npm package `node-api-headers`.
// Usage, in a project that has both npm packages: node scripts/setup-tensorflow.ts. It needs nothing else of this repository.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { arch, cwd, exit, getuid } from "node:process";

/** TensorFlow keeps its C interface from version to version; this one was built and tested. */
const wheel = "tensorflow-cpu==2.21.0";
/** Whose wheel of it: any will do, as no Python runs from it. */
const python = "3.11";
const libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"];

const project = createRequire(join(cwd(), "package.json"));

/** The folder of an installed package. */
function folderOf(name: string): string | undefined {
  try {
    return dirname(project.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

function end(message: string): never {
  console.error(message);
  exit(1);
}

const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;

function must(command: string, ...args: string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) end(`failed (${error?.message ?? `exit ${status}`}): ${command} ${args.join(" ").slice(0, 200)}`);
}

function seeToTools(): void {
  const tools = {
    "g++": () => works("g++", "--version"),
    "python3-pip": () => works("python3", "-m", "pip", "--version"),
  };
  const missing = () => Object.entries(tools).flatMap(([name, there]) => (there() ? [] : [name]));
  if (missing().length && getuid?.() === 0 && works("apt-get", "update", "-qq"))
    spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing()], { stdio: "inherit" });
  if (missing().length)
    end(`the addon is built with ${missing().join(" and ")}: apt-get install ${missing().join(" ")}`);
}

/** Takes out of the wheel what the addon needs: a third of it, and far fewer files. */
const unpack = `
import sys, zipfile
wheel, to = sys.argv[1:]
archive = zipfile.ZipFile(wheel)
folders = ["tensorflow/include/" + name for name in ("tensorflow/", "tsl/", "xla/tsl/")]
wanted = lambda name: name.endswith(".h") and any(map(name.startswith, folders)) or name.split("/")[-1] in ${JSON.stringify(libraries)}
archive.extractall(to, [name for name in archive.namelist() if wanted(name)])
`;

/** Downloads the wheel into `folder` and unpacks it there; returns the folder of TensorFlow. */
function download(folder: string): string {
  const machine = { x64: "x86_64", arm64: "aarch64" }[arch as string] ?? end(`no wheel of TensorFlow for ${arch}`);
  const platforms = ["manylinux_2_27", "manylinux_2_17", "manylinux2014"].flatMap((tag) => [
    "--platform",
    `${tag}_${machine}`,
  ]);
  const only = ["--no-deps", "--only-binary=:all:", "--python-version", python, ...platforms];
  must("python3", "-m", "pip", "download", "-q", "--disable-pip-version-check", ...only, "-d", folder, wheel);
  const file = readdirSync(folder).find((name) => name.endsWith(".whl")) ?? end(`pip left no wheel in ${folder}`);
  must("python3", "-c", unpack, join(folder, file), folder);
  return join(folder, "tensorflow");
}

function compile(addon: string, tensorflow: string, headers: string): void {
  const to = join(addon, "lib/napi-v8");
  const deps = join(addon, "deps/lib");
  for (const folder of [to, deps]) mkdirSync(folder, { recursive: true });
  for (const name of libraries) renameSync(join(tensorflow, name), join(deps, name));
  const sources = ["tfjs_backend.cc", "tfjs_binding.cc"].map((name) => join(addon, "binding", name));
  const includes = [addon, join(headers, "include"), join(tensorflow, "include")].map((folder) => `-I${folder}`);
  const flags = ["-std=c++17", "-O2", "-fPIC", "-shared", "-w", "-DNAPI_VERSION=8"];
  const links = [`-L${deps}`, ...libraries.map((name) => `-l:${name}`), "-Wl,-rpath,$ORIGIN/../../deps/lib"];
  must("g++", ...flags, ...includes, ...sources, "-o", join(to, "tfjs_binding.node"), ...links);
}

const addon = folderOf("@tensorflow/tfjs-node") ?? end("npm install --ignore-scripts @tensorflow/tfjs-node first");
const headers = folderOf("node-api-headers") ?? end("npm install --save-dev node-api-headers first");
const built = join(addon, "lib/napi-v8/tfjs_binding.node");
if (existsSync(built)) console.log(`${built} is there`);
else {
  const from = performance.now();
  const folder = resolve(dirname(addon), "../.cache/orthant/tensorflow");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  seeToTools();
  compile(addon, download(folder), headers);
  rmSync(folder, { recursive: true });
  console.log(`${built}: ${((performance.now() - from) / 1000).toFixed(0)} s`);
}
