// Opening a connection to NATS with the credentials given, in errors of one line that name no secret.
import { access, constants, readFile } from "node:fs/promises";
import {
  type Authenticator,
  AuthorizationError,
  type ConnectionOptions,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  TimeoutError,
  UserAuthenticationExpiredError,
} from "@nats-io/transport-node";
import { errorIn, firstWords } from "./probe.ts";

/** ms to connect, where not told otherwise. */
const patience = 5000;

/** What a server says where nothing will be better by itself, and the way out. */
const final: readonly (readonly [says: RegExp, way: string])[] = [
  [/maximum subscriptions exceeded/i, "raise max_subscriptions of the server or the account"],
  [/maximum (account active )?connections/i, "raise max_connections of the server or the account"],
  [/maximum payload/i, "raise max_payload of the server"],
];

/** Says what helps against what a server says; undefined where that may pass. */
export const wayOut = (says: string): string | undefined => final.find(([pattern]) => pattern.test(says))?.[1];

/** One way to show who one is. */
export type Credentials =
  | { readonly user: string; readonly password: string }
  | { readonly token: string }
  /** The seed of an nkey, `SU...`. */
  | { readonly nkey: string }
  /** Path of a credentials file. */
  | { readonly file: string };

/** Paths of PEM files; `{}` where the system's authorities suffice. */
export interface Tls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** How a nats-server is reached: address, credentials, TLS. */
export interface LinkOptions {
  /** `nats://host:4222`, `tls://...`, or several of one cluster. User and password may stand before the host. */
  readonly servers: string | readonly string[];
  readonly credentials?: Credentials;
  readonly tls?: Tls;
  /** ms to connect, at most. Default 5000. */
  readonly connectTimeout?: number;
}

/** Shows addresses in messages, without user, password or token. */
export const showServers = (servers: string | readonly string[]): string =>
  [servers]
    .flat()
    .map((server) => server.replace(/\/\/[^@/]*@/, "//"))
    .join(", ");

/** Reads what an address holds: `nats://user:password@host` or `nats://token@host`. */
function credentialsIn(servers: string | readonly string[]): Credentials | undefined {
  const found = [servers].flat().find((server) => URL.canParse(server) && new URL(server).username);
  const { username = "", password = "" } = found ? new URL(found) : {};
  const [user, word] = [decodeURIComponent(username), decodeURIComponent(password)];
  return word ? { user, password: word } : user ? { token: user } : undefined;
}

/** Whether it reads as an address; the NATS client does without a protocol too. */
const isAddress = (server: string): boolean => URL.canParse(`http://${server.replace(/^\w+:\/\//, "")}`);

/** `tls://host`: the system's authorities. */
const securely = (servers: string | readonly string[]): Tls | undefined =>
  [servers].flat().some((server) => server.startsWith("tls:")) ? {} : undefined;

const waysOf = (credentials: Credentials | undefined): string =>
  credentials === undefined ? "no credentials" : Object.keys(credentials).join(" and ");

async function authentication(credentials: Credentials): Promise<Record<string, unknown>> {
  if ("user" in credentials) return { user: credentials.user, pass: credentials.password };
  if ("token" in credentials) return { token: credentials.token };
  return { authenticator: await signing(credentials) };
}

async function signing(credentials: { nkey: string } | { file: string }): Promise<Authenticator> {
  try {
    if ("nkey" in credentials) return checked(nkeyAuthenticator(new TextEncoder().encode(credentials.nkey)));
    return checked(credsAuthenticator(new Uint8Array(await readFile(credentials.file))));
  } catch (error) {
    const what = "nkey" in credentials ? "the nkey is not a seed (SU...)" : `cannot use ${credentials.file}`;
    throw new Error(`${what}: ${(error as { code?: string }).code ?? "wrong form"}`);
  }
}

/** Fails now where the seed cannot sign, not in the middle of a handshake. */
function checked(authenticator: Authenticator): Authenticator {
  authenticator("nonce");
  return authenticator;
}

type Kind = new (...args: never[]) => Error;

/** Whether an error is about encryption. The runtimes have no code for it in common, and no class: their words alone tell. */
const aboutTls = ({ code = "", message }: Error & { code?: string }): boolean =>
  /certificate|self.signed|issuer|tls|ssl|alert|\bCA\b/i.test(`${code} ${message}`);

function explained(
  error: Error & { code?: string },
  { servers, credentials = credentialsIn(servers), tls = securely(servers) }: LinkOptions,
  heard: string,
): Error {
  const where = showServers(servers);
  const both = [error, error.cause as typeof error | undefined].filter((each) => each !== undefined);
  const isA = (...kinds: Kind[]): boolean => both.some((each) => kinds.some((kind) => each instanceof kind));
  const has = (...codes: string[]): boolean => both.some(({ code = "" }) => codes.includes(code));
  if (isA(AuthorizationError, UserAuthenticationExpiredError))
    return new Error(`${where} refused ${waysOf(credentials)}: check them, or ask who runs the server`);
  if (both.some(aboutTls))
    return new Error(
      `${where}: no TLS connection${tls ? "" : " (write tls:// in the address)"}: check ca, cert and key, and whom the certificate names`,
    );
  if (isA(TimeoutError))
    return new Error(`${where} does not answer${heard}: is it a nats-server, and is the port open?`);
  if (has("ENOTFOUND", "EAI_AGAIN")) return new Error(`${where}: no such host`);
  if (![servers].flat().every(isAddress))
    return new Error(`${where} is no address of a server: write nats://host:4222`);
  return new Error(`no nats-server at ${where}: start one (nats-server), or give another address`);
}

/** Looks for the reason: a server says so where it takes no more connections, and the NATS client does not tell. */
async function reasoned(error: Error, options: LinkOptions): Promise<Error> {
  const { servers, connectTimeout: ms = patience } = options;
  if (error instanceof AuthorizationError || aboutTls(error)) return explained(error, options, "");
  const words = await Promise.all([servers].flat().filter(isAddress).map(firstWords));
  const says = words.flatMap((said) => errorIn(said ?? "") ?? [])[0];
  const where = showServers(servers);
  if (says) return new Error(`${where} takes no connection, it says "${says}": ${wayOut(says) ?? "ask who runs it"}`);
  const silent = words.includes("");
  return explained(error, options, ` in ${ms} ms${silent ? ", though it takes connections" : ""}`);
}

async function readable(paths: readonly string[]): Promise<void> {
  for (const path of paths)
    await access(path, constants.R_OK).catch(({ code }) =>
      Promise.reject(new Error(`tls: cannot read ${path}: ${code}`)),
    );
}

/** The NATS client's `connect`, or one like it. */
export type Connect = (options: ConnectionOptions) => Promise<NatsConnection>;

/** Connects within `connectTimeout`, whatever the servers do. */
export async function dial(options: LinkOptions, connect: Connect): Promise<NatsConnection> {
  const { servers, connectTimeout: timeout = patience } = options;
  const { credentials = credentialsIn(servers), tls = securely(servers) } = options;
  const login = credentials ? await authentication(credentials) : {};
  const files = tls && { caFile: tls.ca, certFile: tls.cert, keyFile: tls.key };
  await readable(Object.values(tls ?? {}));
  const given = files && Object.fromEntries(Object.entries(files).filter(([, path]) => path !== undefined));
  const lasting = { maxReconnectAttempts: -1, reconnectTimeWait: 200, pingInterval: 5000, maxPingOut: 3 };
  const all = [servers].flat();
  const rest = { ...lasting, noEcho: true, ignoreAuthErrorAbort: true, timeout: timeout / all.length };
  const dialing = connect({ servers: all, ...login, ...(given && { tls: given }), ...rest });
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new TimeoutError());
    dialing.then((connection) => connection.close()).catch(() => {});
  }, timeout);
  return Promise.race([dialing, late.promise])
    .catch(async (error) => Promise.reject(await reasoned(error, options)))
    .finally(() => clearTimeout(timer));
}
