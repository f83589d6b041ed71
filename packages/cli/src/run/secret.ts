// The run's secret: made here for a launcher that is alone, given where several start one run. It travels in a file that
// its owner alone can read, and in the environment; never on a command line, never in what is printed.
import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { UsageError } from "../result.ts";

/** Where ranks find it. */
export const secretName = "ORTHANT_SECRET";

/** Bytes of a secret, at least. */
const least = 16;

/** Rights of anybody but the owner. */
const others = 0o077;

export const newSecret = (): string => randomBytes(32).toString("base64url");

/** The secret in `file`, or else in the environment; undefined where neither is given. Throws a UsageError of one line. */
export function givenSecret(file: string | undefined, env: Readonly<Record<string, string | undefined>>) {
  const own = env[secretName];
  if (file !== undefined && own) throw new UsageError(`--secret ${file} and ${secretName} are both given: keep one`);
  if (file !== undefined) return checked(read(file), `--secret ${file}`);
  return own === undefined ? undefined : checked(own, secretName);
}

/** A line's end is no part of it. */
function read(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found?.isFile()) throw new UsageError(`--secret ${file}: there is no such file`);
  if (found.mode & others && process.platform !== "win32")
    throw new UsageError(`--secret ${file}: others can read it (mode ${octal(found.mode)}): chmod 600 ${file}`);
  return readFileSync(file, "utf8").trimEnd();
}

const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(3, "0");

function checked(secret: string, where: string): string {
  const bytes = Buffer.byteLength(secret);
  if (bytes >= least) return secret;
  throw new UsageError(
    `${where} holds ${bytes} bytes: ${least} at least; make one with: openssl rand -base64 32 > run.key; chmod 600 run.key`,
  );
}
