// Where a run's secret comes from, what is refused and how; what a machine without a nats-server does.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { UsageError } from "../src/result.ts";
import { accessOf } from "../src/run/access.ts";
import { runArguments } from "../src/run/arguments.ts";
import { fitted } from "../src/run/fit.ts";
import { withSecret } from "../src/run/place.ts";

const folder = mkdtempSync(join(tmpdir(), "orthant-secret-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const alone = { nodes: 1, encrypt: false, secret: undefined };

test("a launcher that is alone makes a secret of its own; several are given one or have none", () => {
  const [first, second] = [withSecret(alone, {}), withSecret(alone, {})].map((env) => env.ORTHANT_SECRET ?? "");
  expect(first).toMatch(/^[\w-]{43}$/);
  expect(second).not.toBe(first);
  expect(withSecret({ ...alone, nodes: 2 }, { PATH: "p" })).toEqual({ PATH: "p" });
});

test("a file's last line end is no part of the secret; the environment's serves as well", () => {
  const secret = file("good.key", "0123456789abcdef\n");
  const env = withSecret({ ...alone, nodes: 2, encrypt: true, secret }, {});
  expect(env).toEqual({ ORTHANT_SECRET: "0123456789abcdef" });
  expect(accessOf(env)).toEqual({ secret: "0123456789abcdef" });
  expect(withSecret({ ...alone, nodes: 2 }, env)).toEqual(env);
});

test("bad input: one line", () => {
  const [open, short, none] = [
    file("open.key", "0123456789abcdef", 0o640),
    file("short.key", "0123456789abcde\n"),
    "none",
  ];
  const make = "16 at least; make one with: openssl rand -base64 32 > run.key; chmod 600 run.key";
  const cases: [{ secret?: string; encrypt?: boolean; nodes?: number }, Record<string, string>, string][] = [
    [{ secret: open }, {}, `--secret ${open}: others can read it (mode 640): chmod 600 ${open}`],
    [{ secret: short }, {}, `--secret ${short} holds 15 bytes: ${make}`],
    [{ secret: none }, {}, "--secret none: there is no such file"],
    [{}, { ORTHANT_SECRET: "" }, `ORTHANT_SECRET holds 0 bytes: ${make}`],
    [{ secret: short }, { ORTHANT_SECRET: "x" }, `--secret ${short} and ORTHANT_SECRET are both given: keep one`],
    [
      { encrypt: true, nodes: 2 },
      {},
      "--encrypt of --nodes 2 needs a secret that all have: --secret FILE or ORTHANT_SECRET",
    ],
  ];
  for (const [given, env, message] of cases)
    expect(() => withSecret({ ...alone, ...given }, env), message).toThrow(new UsageError(message));
});

test("without a nats-server, threads will do where nobody asked for more", () => {
  const parse = (line: string) => runArguments(line.split(" "));
  const { args, note } = fitted(parse("--ranks 8 s.ts"), () => false);
  expect(args.transport).toBe("threads");
  expect(note).toMatch(
    /^no nats-server on the PATH: 8 ranks run in threads of one process; for a process a rank: .*--nats/,
  );
  for (const line of ["--ranks 8 --nats embedded s.ts", "--ranks 8 --nats nats://h s.ts", "--ranks 8 --threads s.ts"])
    expect(fitted(parse(line), () => false)).toEqual({ args: { ...parse(line), run: expect.any(String) } });
  expect(fitted(args, () => true)).toEqual({ args });
});
