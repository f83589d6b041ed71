// Points a package's exports at `dist` while npm packs it, and back at the source afterwards; run by prepack/postpack.
// In the repository exports name TypeScript source, which runs unbuilt; npm has no `publishConfig.exports`.
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";

type Target = string | { types: string; default: string };

const toDist = (target: Target): Target => {
  const name = typeof target === "string" && /^\.\/src\/(.*)\.ts$/.exec(target)?.[1];
  return name ? { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` } : target;
};

const toSource = (target: Target): Target =>
  typeof target === "string" ? target : target.default.replace(/^\.\/dist\/(.*)\.js$/, "./src/$1.ts");

const publishing = process.argv[2] === "publish";
const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { exports: Record<string, Target> };
const convert = publishing ? toDist : toSource;
manifest.exports = Object.fromEntries(Object.entries(manifest.exports).map(([key, to]) => [key, convert(to)]));
writeFileSync("package.json", `${JSON.stringify(manifest, null, 2)}\n`);
if (publishing) copyFileSync("../../LICENSE", "LICENSE");
else rmSync("LICENSE", { force: true });
