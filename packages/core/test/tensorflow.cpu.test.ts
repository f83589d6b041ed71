// What the tensorflow device says where it cannot run. Where it can: tests/devices/tensorflow.ts.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadPackage } from "../src/devices/tensorflow/device.ts";

/** A project whose @tensorflow/tfjs-node is this script; none where it is undefined. */
function project(script?: string): NodeJS.Require {
  const root = mkdtempSync(join(tmpdir(), "orthant-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const folder = join(root, "node_modules/@tensorflow/tfjs-node");
  mkdirSync(folder, { recursive: true });
  if (script !== undefined) writeFileSync(join(folder, "index.js"), script);
  return createRequire(join(root, "index.js"));
}

test("nothing installed: what to install, what it needs, what to take instead", () => {
  expect(() => loadPackage(project())).toThrow(
    /^device tensorflow: neither @tensorflow\/tfjs-node-gpu nor .* npm install @tensorflow\/tfjs-node, .* CUDA 11.* cuDNN 8.* the device wasm needs nothing$/,
  );
});

test("half installed: what is missing, in one line", () => {
  const half = project(`throw new Error("the addon can not be found at path: x.node. \\nPlease run")`);
  expect(() => loadPackage(half)).toThrow(
    /^device tensorflow: @tensorflow\/tfjs-node is installed and does not load \(the addon .* x\.node\.\)\. npm rebuild .*$/,
  );
});

test("a package that it needs and lacks is not mistaken for itself", () => {
  expect(() => loadPackage(project(`require("no-such-package")`))).toThrow(
    "is installed and does not load (Cannot find",
  );
});

test("too old: it has a tfjs of its own", () => {
  expect(() => loadPackage(project("module.exports = {}"))).toThrow(
    /brings a tfjs of its own.* install @tensorflow\/tfjs-node@4/,
  );
});
