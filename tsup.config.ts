// One output file per source file, so that a worker still finds its script beside itself; declarations are rolled up
// per export. Source imports end in `.ts` (it runs unbuilt), published ones in `.js`.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { defineConfig, type Options } from "tsup";

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

const toJs = (path: string) => path.replace(/\.ts$/, ".js");

const oneToOne: Plugin = {
  name: "one-to-one",
  setup(build) {
    build.onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ kind, path }) =>
      kind === "entry-point" ? null : { path: toJs(path), external: true },
    );
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const contents = source.replace(/(new URL\("[^"]+)\.ts", import\.meta\.url/g, '$1.js", import.meta.url');
      return { contents, loader: "ts" };
    });
  },
};

/** What packages export. */
const exported = ["src/index.ts", "src/internal.ts", "src/transport-kit.ts", "src/nats-server.ts"];

export default defineConfig({
  entry: ["src/**/*.ts"],
  format: "esm",
  target: "es2023",
  platform: "node",
  splitting: false,
  sourcemap: true,
  clean: true,
  silent: true,
  dts: { entry: exported.filter((path) => existsSync(path)) },
  esbuildPlugins: [oneToOne],
});
