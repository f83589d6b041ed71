// Folders where NVIDIA's libraries may lie: the CUDA toolkit, the system, Python's nvidia wheels. Looks, loads nothing.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The environment's variables that say where to look. */
export type Environment = Readonly<Record<string, string | undefined>>;

const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort().reverse() : []);

/** Folders of a CUDA toolkit: those named by variables first, then the usual ones, newest first. */
function toolkits(env: Environment): string[] {
  const usual = names("/usr/local").filter((name) => name.startsWith("cuda"));
  const roots = [env.CUDA_HOME, env.CUDA_PATH, ...usual.map((name) => join("/usr/local", name))];
  return roots.filter((root) => root !== undefined).flatMap((root) => [join(root, "lib64"), join(root, "lib")]);
}

const system = (env: Environment): string[] => [
  ...(env.LD_LIBRARY_PATH ?? "").split(":").filter((folder) => folder),
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/local/nvidia/lib64",
  "/usr/lib/wsl/lib",
];

/** Asks python3 where its packages are; nothing where there is no Python. */
function askPython(env: Environment): string[] {
  const script = "import site, sysconfig; print(*site.getsitepackages(), sysconfig.get_path('purelib'), sep='\\n')";
  try {
    const options = {
      encoding: "utf8" as const,
      stdio: ["ignore", "pipe", "ignore"] as ["ignore", "pipe", "ignore"],
      env,
    };
    return execFileSync("python3", ["-c", script], options).trim().split("\n");
  } catch {
    return [];
  }
}

/** The site-packages of an environment's folder. */
const sitesOf = (root: string): string[] =>
  names(join(root, "lib"))
    .filter((name) => name.startsWith("python3"))
    .map((name) => join(root, "lib", name, "site-packages"));

/** Folders of the nvidia wheels (`pip install nvidia-cublas`, or PyTorch's own) below a site-packages. */
const wheels = (site: string): string[] => names(join(site, "nvidia")).map((name) => join(site, "nvidia", name, "lib"));

function python(env: Environment): string[] {
  const roots = [env.VIRTUAL_ENV, env.CONDA_PREFIX].filter((root) => root !== undefined);
  const sites = [
    ...(env.PYTHONPATH ?? "").split(":").filter((site) => site),
    ...roots.flatMap(sitesOf),
    ...askPython(env),
  ];
  return [...new Set(sites)].flatMap(wheels);
}

/** Existing folders to search, in order of preference. `ORTHANT_CUDA_LIBRARIES`, a list with colons, comes before all. */
export function places(env: Environment = process.env): string[] {
  const own = (env.ORTHANT_CUDA_LIBRARIES ?? "").split(":").filter((folder) => folder);
  const all = [...own, ...python(env), ...toolkits(env), ...system(env)];
  return [...new Set(all)].filter((folder) => existsSync(folder));
}
