// Where the ranks of a run meet: a server, the lobby where its launchers and ranks hear who ended, and the run's secret.
import { type Lobby, NatsServer, openLobby } from "@orthant/transport-nats";
import { UsageError } from "../result.ts";
import { accessOf, onlyToken, withoutSecrets } from "./access.ts";
import type { RunArguments } from "./arguments.ts";
import { givenSecret, newSecret, secretName } from "./secret.ts";

export interface MeetingPlace {
  /** None where the ranks are threads of one process. */
  readonly servers: readonly string[];
  /** What the ranks find in their environment: the way in, and the secret. */
  readonly env: NodeJS.ProcessEnv;
  readonly own?: NatsServer;
  readonly lobby?: Lobby;
}

type Key = Pick<RunArguments, "secret" | "nodes" | "encrypt">;

/** The environment with the run's secret. Several launchers cannot make one each: theirs is given, or there is none. */
export function withSecret({ secret: file, nodes, encrypt }: Key, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secret = givenSecret(file, env) ?? (nodes === 1 ? newSecret() : undefined);
  if (secret !== undefined) return { ...env, [secretName]: secret };
  if (!encrypt) return env;
  throw new UsageError(`--encrypt of --nodes ${nodes} needs a secret that all have: --secret FILE or ${secretName}`);
}

/** ms to wait for the other launchers, and those after which that is said. */
const [patience, quiet] = [60_000, 5000];

/**
 * Finds the place, and waits there for the other launchers. Throws in one line, before a rank starts, where what is given does
 * not do, others have another secret, or they do not come.
 */
export async function meetingPlace(
  args: RunArguments,
  launch: string,
  say: (text: string) => void,
): Promise<MeetingPlace> {
  const { transport, run, nodes, others } = args;
  if (transport === "threads") return { servers: [], env: process.env };
  const env = withSecret(args, process.env);
  if (transport !== "embedded") {
    const place = await joined(withoutSecrets(transport, env), { run, launch });
    return together(place, others, () => say(`waits for the other launchers of "${run}": ${nodes} with this one`));
  }
  const token = crypto.randomUUID();
  const own = await NatsServer.start({ config: `authorization { token: "${token}" }` });
  return { own, ...(await joined({ servers: [own.url], env: onlyToken(env, token) }, { run, launch })) };
}

async function joined(
  where: { servers: string[]; env: NodeJS.ProcessEnv },
  names: { run: string; launch: string },
): Promise<MeetingPlace & { readonly lobby: Lobby }> {
  const { servers, env } = where;
  return { ...where, lobby: await openLobby({ servers, ...names, ...accessOf(env) }) };
}

async function together<P extends { readonly lobby: Lobby }>(place: P, others: number, wait: () => void): Promise<P> {
  const timer = setTimeout(wait, quiet);
  try {
    await place.lobby.launchers(others, patience);
    return place;
  } catch (error) {
    await place.lobby.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
