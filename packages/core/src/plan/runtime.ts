// Whether this runtime is new enough, told before anything of it is missed.

/** The oldest Node that runs this library. */
const oldest = [22, 18] as const;

/** Throws, in one line, on a Node that is too old. Deno and Bun tell a version of Node too, and run whatever it is. */
export function checkRuntime({ node, deno, bun }: NodeJS.ProcessVersions = process.versions): void {
  const [major = 0, minor = 0] = node.split(".").map(Number);
  if (deno || bun || major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return;
  throw new Error(
    `@orthant/core needs Node ${oldest.join(".")} or newer, and this is ${node}: update it, or use Deno or Bun`,
  );
}
