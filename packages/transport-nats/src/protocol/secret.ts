// The secret of a run and the keys derived from it: HKDF with SHA-256 (Krawczyk and Eronen, RFC 5869). A key serves one
// purpose of one client, which has a new random name at each start: so no key ever seals two things under one number.
import { hkdfSync } from "node:crypto";
import process from "node:process";

/** Bytes of a secret, at least: 128 bits, where they are random. */
const least = 16;
const salt = "orthant transport-nats 3";

/** What a key is for: a purpose, the run, and whatever else tells it from all others. */
export type Purpose = readonly [what: "lobby" | "states" | "parts", run: string, ...rest: readonly (string | number)[]];

/** Reads the secret given, or else that of the environment's `ORTHANT_SECRET`. Throws where it is too short. */
export function secretOf(given: string | Uint8Array | undefined): Uint8Array | undefined {
  const secret = given ?? process.env.ORTHANT_SECRET;
  if (secret === undefined) return undefined;
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : Uint8Array.from(secret);
  if (bytes.length >= least) return bytes;
  const where = given === undefined ? "ORTHANT_SECRET" : "secret";
  throw new Error(`${where} has ${bytes.length} bytes: at least ${least}, and random ones (openssl rand -hex 32)`);
}

/** Derives the key of a purpose, 32 bytes; none where the run has no secret. */
export function keyOf(secret: Uint8Array, purpose: Purpose): Uint8Array;
export function keyOf(secret: Uint8Array | undefined, purpose: Purpose): Uint8Array | undefined;
export function keyOf(secret: Uint8Array | undefined, purpose: Purpose): Uint8Array | undefined {
  return secret && new Uint8Array(hkdfSync("sha256", secret, salt, JSON.stringify(purpose), 32));
}
