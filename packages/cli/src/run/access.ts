// Credentials and certificates for a server: they travel in the environment alone, never on a command line that others
// on the machine can read, and never in what is printed.
import type { Credentials, Tls } from "@orthant/transport-nats";
import { secretName } from "./secret.ts";

export interface Access {
  readonly credentials?: Credentials;
  /** The run's secret: who does not have it is refused. */
  readonly secret?: string;
  readonly tls?: Tls;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables that hold them. */
const names = [
  "NATS_USER",
  "NATS_PASSWORD",
  "NATS_TOKEN",
  "NATS_NKEY",
  "NATS_CREDS",
  "NATS_CA",
  "NATS_CERT",
  "NATS_KEY",
] as const;

/** Throws where two ways are given at once. */
function credentialsOf(env: Environment): Credentials | undefined {
  const { NATS_USER: user, NATS_PASSWORD: password = "", NATS_TOKEN: token, NATS_NKEY: nkey, NATS_CREDS: file } = env;
  const given = { NATS_USER: user, NATS_TOKEN: token, NATS_NKEY: nkey, NATS_CREDS: file };
  const ways = Object.entries(given).flatMap(([name, value]) => (value ? [name] : []));
  if (ways.length > 1) throw new Error(`the environment has ${ways.join(" and ")}: keep one`);
  if (user) return { user, password };
  if (token) return { token };
  if (nkey) return { nkey };
  return file ? { file } : undefined;
}

/** How this process gets in. Throws where two ways are given at once. */
export function accessOf(env: Environment): Access {
  const credentials = credentialsOf(env);
  const { NATS_CA: ca, NATS_CERT: cert, NATS_KEY: key } = env;
  const files = Object.fromEntries(Object.entries({ ca, cert, key }).filter(([, path]) => path));
  const secret = env[secretName];
  return {
    ...(credentials && { credentials }),
    ...(secret && { secret }),
    ...(Object.keys(files).length > 0 && { tls: files as Tls }),
  };
}

/** Moves user and password, or a token, from the addresses to the environment. */
export function withoutSecrets(servers: readonly string[], env: Environment): { servers: string[]; env: Environment } {
  const urls = servers.map((server) => new URL(server));
  const { username = "", password = "" } = urls.find((url) => url.username) ?? {};
  const [user, word] = [decodeURIComponent(username), decodeURIComponent(password)];
  const found: Environment = password ? { NATS_USER: user, NATS_PASSWORD: word } : user ? { NATS_TOKEN: user } : {};
  return { servers: urls.map(({ protocol, host }) => `${protocol}//${host}`), env: { ...env, ...found } };
}

/** The environment of who needs no way in but `token`. */
export function onlyToken(env: Environment, token: string): Environment {
  const others = Object.entries(env).filter(([name]) => !names.includes(name as (typeof names)[number]));
  return { ...Object.fromEntries(others), NATS_TOKEN: token };
}
