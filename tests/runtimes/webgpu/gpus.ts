// A GPU for each rank of a machine: two processes with SwiftShader and lavapipe before them take one each, by local rank. Dawn (Node, Bun)
// refuses Debian's lavapipe: there the second rank must say which GPU it was given. A process of its own for each, as under `orthant run`.
import { spawnSync } from "node:child_process";
import { argv, env, execPath, exit } from "node:process";
import { useDevice } from "@orthant/core";
import { type Case, runCases } from "@orthant/testing";
import { softwareVulkan } from "../../../scripts/setup-webgpu.ts";

/** Maker and model of both, as Vulkan numbers them. */
const gpus = "1ae0:c0de,10005:0";

/** What the device says of itself, or why it does not start, on a machine of both. */
function detailOf(localRank: number, given = gpus): string {
  const { lavapipe, swiftShader } = softwareVulkan();
  const { stdout } = spawnSync(
    execPath,
    [...("Deno" in globalThis ? ["run", "-A"] : []), import.meta.filename, "--here"],
    {
      env: {
        ...env,
        VK_ICD_FILENAMES: `${swiftShader}:${lavapipe}`,
        ORTHANT_WEBGPU_GPUS: given,
        ORTHANT_LOCAL_RANK: `${localRank}`,
      },
      encoding: "utf8",
    },
  );
  return stdout.trim().split("\n").at(-1)!;
}

const says = (name: string, localRank: number, expected: RegExp, given?: string): Case => ({
  name,
  async run() {
    const found = detailOf(localRank, given);
    if (!expected.test(found)) throw new Error(`"${found}" in place of ${expected}`);
  },
});

if (argv[2] === "--here") {
  const said = await useDevice("webgpu").then(
    ({ detail }) => detail,
    (error: Error) => error.message,
  );
  console.log(said);
  exit(0);
}
const second =
  "Deno" in globalThis
    ? /^llvmpipe.*, GPU 1 of 2 \(10005:0\)$/
    : /no adapter: .* this rank was given GPU 1 of 2 \(10005:0\)$/;
const cases = [
  says("rank 0 takes the first of two GPUs", 0, /^SwiftShader.*, GPU 0 of 2 \(1ae0:c0de\)$/),
  says("rank 1 takes the second", 1, second),
  says("a GPU by no name of one is refused", 0, /ORTHANT_WEBGPU_GPUS names "second": .* 0000:17:00\.0/, "second"),
];
const failed = await runCases(cases, console.log);
console.log(`${cases.length - failed} passed, ${failed} failed`);
exit(failed ? 1 : 0);
