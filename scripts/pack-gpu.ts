// `npm run pack:gpu`: a folder that measures webgpu on a host with a GPU, its Vulkan driver and no network: the runtime (Deno or
// Node, compressed), one bundle of benchmarks/devices/webgpu-tokens.ts, and for Node the addon of Dawn. Arguments: the runtime
// ("deno" by default), the folder (runs/gpu by default). On the host: `sh run.sh [LAYERSxWIDTH ..]`.
import {
  copyFileSync,
  createReadStream,
  createWriteStream,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import { build } from "esbuild";

const most = 60 * 2 ** 20;
const [runtime = "deno", folder = "runs/gpu"] = process.argv.slice(2);
const { resolve } = createRequire(import.meta.url);

const executables: Readonly<Record<string, () => string>> = {
  deno: () => join(dirname(resolve("deno/package.json")), "deno"),
  node: () => join(dirname(resolve("node/package.json")), "bin", "node"),
};

const found = executables[runtime];
if (!found) throw new Error(`no runtime "${runtime}" to pack; there are ${Object.keys(executables).join(", ")}`);

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const pack = (from: string, to: string) =>
  pipeline(
    createReadStream(from),
    createGzip({ level: constants.Z_BEST_COMPRESSION }),
    createWriteStream(join(folder, to)),
  );

await build({
  entryPoints: ["benchmarks/devices/webgpu-tokens.ts"],
  outfile: join(folder, "app", "tokens.mjs"),
  bundle: true,
  format: "esm",
  platform: "node",
  target: "es2023",
  mainFields: ["module", "main"],
  ignoreAnnotations: true, // tfjs says that importing its kernels has no effect
  external: ["webgpu"],
  banner: {
    js: 'import { createRequire as requireAt } from "node:module"; const require = requireAt(import.meta.url);',
  },
  logLevel: "error",
});
copyFileSync("packages/core/package.json", join(folder, "package.json")); // where core looks for its version
await pack(found(), `${runtime}.gz`);
if (runtime === "node") {
  const dawn = dirname(resolve("webgpu"));
  const into = join(folder, "node_modules", "webgpu");
  mkdirSync(join(into, "dist", "linux-x64"), { recursive: true });
  for (const file of ["package.json", "index.js"]) copyFileSync(join(dawn, file), join(into, file));
  await pack(join(dawn, "dist", "linux-x64", "dawn.node"), "dawn.gz");
}

writeFileSync(
  join(folder, "run.sh"),
  `set -e
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here/." "$work"
gunzip "$work/${runtime}.gz"
chmod +x "$work/${runtime}"
${runtime === "node" ? 'gunzip -c "$work/dawn.gz" > "$work/node_modules/webgpu/dist/linux-x64/dawn.node"' : ""}
"$work/${runtime}" ${runtime === "deno" ? "run -A --no-remote " : ""}"$work/app/tokens.mjs" "$@"
`,
);

const sizes = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((file) => file.isFile())
  .map((file) => statSync(join(file.parentPath, file.name)).size);
const bytes = sizes.reduce((sum, size) => sum + size, 0);
console.log(
  `${folder}: ${(bytes / 2 ** 20).toFixed(1)} MiB with ${runtime}; on the host: sh ${folder}/run.sh 4x256 12x768`,
);
if (bytes > most) throw new Error(`${folder} is over ${most / 2 ** 20} MiB`);
