// Servers that ask for credentials, made anew for each test: keys, a signed user, certificates. Nothing secret is kept.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";

type KeyPair = ReturnType<typeof nkeys.createUser>;

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
export const seedOf = (pair: KeyPair): string => text(pair.getSeed());
export const newUser = (): KeyPair => nkeys.createUser();

/** A JSON web token as NATS has it: signed by `issuer` with its nkey. */
function token(issuer: KeyPair, subject: KeyPair, nats: object): string {
  const claims = { iat: 0, iss: issuer.getPublicKey(), name: "test", sub: subject.getPublicKey(), nats };
  const jti = createHash("sha256").update(JSON.stringify(claims)).digest("hex");
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part({ ...claims, jti })}`;
  return `${body}.${Buffer.from(issuer.sign(new TextEncoder().encode(body))).toString("base64url")}`;
}

/** A server's configuration with one account, and the credentials file of a user of it. */
export function operatorMode(): { config: string; creds: string } {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), newUser()];
  const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const ofAccount = token(operator, account, { limits: unlimited, type: "account", version: 2 });
  const ofUser = token(account, user, { subs: -1, data: -1, payload: -1, type: "user", version: 2 });
  const own = token(operator, operator, { type: "operator", version: 2 });
  return {
    config: `operator: ${own}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${ofAccount} }`,
    creds: [
      "-----BEGIN NATS USER JWT-----",
      ofUser,
      "------END NATS USER JWT------",
      "",
      "-----BEGIN USER NKEY SEED-----",
      seedOf(user),
      "------END USER NKEY SEED------",
      "",
    ].join("\n"),
  };
}

/** A certificate for this host that signs itself: the paths of certificate and key. Needs openssl on the PATH. */
export function certificate(folder: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...name, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { cert, key };
}

export function write(folder: string, name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}
