// What somebody gets who installs the packages: packs them, installs the tarballs in a fresh project, and trains there, as .ts, .js and .cjs,
// on the oldest Node that is supported, the newest, Deno and Bun, and within vitest. Expects a build (`npm run build`).
// Also what a Node that is too old says. Usage: node scripts/packed.ts [part of a check's name]
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { must } from "./run.ts";

const work = mkdtempSync(join(tmpdir(), "orthant-packed-"));
const project = join(work, "project");
const bin = (name: string) => resolve("node_modules/.bin", name);

/** Node's program of a version, as its package on the registry holds it: no script has to run to install it. */
const platform = process.platform === "win32" ? "win" : process.platform;
const nodes = { "node-oldest": "22.18.0", "node-old": "20.19.0" };
const nodeOf = (name: keyof typeof nodes) => join(project, "node_modules", name, "bin/node");

const modules = `
const rows = [[0, 0], [0, 1], [1, 0], [1, 1]];
const options = {
  model: mlp({ inputs: 2, outputs: 2, layers: 1, width: 8, loss: "classes" }),
  data: arrays({ inputs: rows, targets: [0, 1, 1, 0] }),
  batch: 4,
  mesh: { pp: 1, dp: 2, tp: 1 },
  strategies: [zero({ stage: 3 })],
  optimizer: adamw({ lr: 0.03 }),
  steps: 20,
  run: false,
  quiet: true,
};
`;
const names = { core: "adamw, train", nn: "arrays, mlp", zero: "zero" };
const imports = Object.entries(names)
  .map(([from, what]) => `import { ${what} } from "@orthant/${from}";\n`)
  .join("");
const requires = Object.entries(names)
  .map(([from, what]) => `const { ${what} } = require("@orthant/${from}");\n`)
  .join("");
const tells = 'console.log("loss", losses.at(-1).toFixed(4));\n';

const files: Readonly<Record<string, string>> = {
  "train.ts": `${imports}${modules.replace("options =", "options: Parameters<typeof train>[0] =")}const { losses } = await train(options);\n${tells.replace(").to", ")!.to")}`,
  "train.js": `${imports}${modules}const { losses } = await train(options);\n${tells}`,
  "train.cjs": `${requires}${modules}train(options).then(({ losses }) => {\n${tells}});\n`,
  "train.test.js": `import { expect, test } from "vitest";\n${imports}${modules}test("it trains", async () => {
  const { losses } = await train(options);
  expect(losses.at(-1)).toBeLessThan(losses[0]);
  console.log("loss", losses.at(-1).toFixed(4));
}, 30_000);\n`,
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      module: "nodenext",
      target: "es2023",
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: [],
    },
    files: ["train.ts"],
  }),
};

function install(): void {
  for (const name of readdirSync("packages"))
    must("npm", ["pack", "--silent", "--pack-destination", work], `packages/${name}`);
  mkdirSync(project);
  const tarballs = readdirSync(work).filter((name) => name.endsWith(".tgz"));
  const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
    devDependencies: Record<string, string>;
  };
  const dependencies = {
    ...Object.fromEntries(
      tarballs.map((name) => [name.replace(/^orthant-(.*)-\d+\.\d+\.\d+\.tgz$/, "@orthant/$1"), `file:../${name}`]),
    ),
    ...Object.fromEntries(["@tensorflow/tfjs", "vitest"].map((name) => [name, devDependencies[name]])),
    ...Object.fromEntries(
      Object.entries(nodes).map(([name, version]) => [name, `npm:node-${platform}-${process.arch}@${version}`]),
    ),
  };
  writeFileSync(
    join(project, "package.json"),
    JSON.stringify({ name: "fresh", type: "module", private: true, dependencies }),
  );
  for (const [name, content] of Object.entries(files)) writeFileSync(join(project, name), content);
  must("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"], project);
}

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** What the output must hold. */
  readonly says: RegExp;
  readonly fails?: boolean;
}

const learned = /loss 0\.\d{4}/;
const runtimes: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "Node 22.18": [nodeOf("node-oldest")],
  "Node 24": [bin("node")],
  Deno: [bin("deno"), "run", "-A"],
  Bun: [bin("bun")],
};
const checks: readonly Check[] = [
  ...Object.entries(runtimes).flatMap(([runtime, command]) =>
    ["train.ts", "train.js", "train.cjs"].map(
      (file): Check => ({ name: `${runtime}, ${file}`, command: [...command, file], says: learned }),
    ),
  ),
  { name: "vitest", command: [bin("node"), "node_modules/vitest/vitest.mjs", "run"], says: learned },
  { name: "types", command: [bin("node"), resolve("node_modules/typescript/bin/tsc")], says: /^$/ },
  {
    name: "orthant run",
    command: [bin("node"), "node_modules/@orthant/cli/bin/orthant.js", "run", "--ranks", "2", "train.ts"],
    says: learned,
  },
  {
    name: "Node 20",
    command: [nodeOf("node-old"), "train.js"],
    says: /needs Node 22\.18 or newer, and this is 20\./,
    fails: true,
  },
  {
    name: "Node 20, orthant",
    command: [nodeOf("node-old"), "node_modules/@orthant/cli/bin/orthant.js", "doctor"],
    says: /needs Node 22\.18/,
    fails: true,
  },
];

/** Runs one check in the project, for 60 s at most. Returns what is wrong. */
async function check({ command: [program, ...args], says, fails = false }: Check): Promise<string | undefined> {
  const child: ChildProcess = spawn(program, args, {
    cwd: project,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  let out = "";
  for (const pipe of [child.stdout!, child.stderr!]) pipe.on("data", (piece) => (out += piece));
  const code = await new Promise<number | null>((ended) => child.on("close", ended));
  return (code === 0) !== fails && says.test(out) ? undefined : `ended with ${code}:\n${out}`;
}

const from = performance.now();
const seconds = () => `${((performance.now() - from) / 1000).toFixed(0)} s`;
install();
console.log(`packed and installed: ${seconds()}`);
const left = checks.filter(({ name }) => name.includes(process.argv[2] ?? ""));
let failures = 0;
/** Two at a time, since most of a check is one thread's start. */
async function worker(): Promise<void> {
  for (let one = left.shift(); one; one = left.shift()) {
    const wrong = await check(one);
    if (wrong) failures++;
    console.log(`${wrong ? "FAIL" : "ok  "} ${one.name.padEnd(24)} ${wrong ?? ""}`);
  }
}
const total = left.length;
await Promise.all([worker(), worker()]);
rmSync(work, { recursive: true });
console.log(`${total - failures} passed, ${failures} failed, in ${seconds()}`);
process.exitCode = failures ? 1 : 0;
