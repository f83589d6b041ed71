// A call of `train` or `run` from its options on: plans, starts the ranks, has files and signals around them, and hands back what
// they came to. In a thread or process that runs the script again it serves the ranks there, or tells what was there before.
import { countCall, pastOf, spreads, ticketOf } from "./hosts/calls.ts";
import type { CommandQueue } from "./hosts/command-queue.ts";
import { checkRestarts, findResumed } from "./hosts/continued.ts";
import { exitCodeOf } from "./hosts/interrupt.ts";
import { attempted, intercept, launched, ranksNow } from "./hosts/launched.ts";
import type { Call, PastCall } from "./hosts/past.ts";
import type { RanksJob } from "./hosts/share.ts";
import { serveThread, type ThreadTicket } from "./hosts/worker.ts";
import type { Evaluation } from "./params/optimizer.ts";
import { fitOptions } from "./plan/elastic.ts";
import { type Plan, plan } from "./plan/plan.ts";
import type { StepReport } from "./rank/events.ts";
import { type RunOptions, runToEnd, type TrainResult } from "./to-end.ts";
import { threads } from "./transports/threads/threads.ts";
import type { Transport } from "./transports/transport.ts";

/** Never resolves: the script ends here, in this thread or process. */
const never = new Promise<never>(() => {});

/** A run that has been planned, and begins. */
export interface Started {
  readonly plan: Plan;
  readonly firstStep: number;
  readonly done: Promise<TrainResult>;
  /** What drove the run was told, for who runs the script again. */
  readonly told: (StepReport | number)[];
  /** Takes note of an evaluation, for files, the line of progress and the result. */
  evaluated(evaluation: Evaluation): void;
}

/** What a call came to that was made elsewhere: this thread, or process, runs the script again. */
export interface Replay {
  readonly plan: Plan;
  readonly past: PastCall<Omit<TrainResult, "plan">>;
}

/**
 * Starts a run, which `driver` drives where there is one. Resolves in the process and thread that go on with the script; in others
 * once the script has come to a later call.
 */
export async function start(given: RunOptions, driver?: CommandQueue): Promise<Started | Replay> {
  const transport = launched() ?? given?.transport ?? threads();
  const taken = intercept();
  if (taken) return taken(given).then(() => never);
  const options = fitOptions(given, ranksNow());
  const past = pastOf(transport) as Replay["past"] | undefined;
  const serves = !past && spreads(transport) && ticketOf();
  const call = spreads(transport) && !ticketOf() ? countCall() : undefined;
  const begun = past || serves ? undefined : begin(options, transport, call, driver);
  if (begun) return begun;
  const decided = await plan(options);
  if (past) return { plan: decided, past };
  const job = { options, plan: decided, driven: driver !== undefined };
  return serveThread(job, transport, serves as ThreadTicket).then(() => never);
}

/** Runs the ranks of this process, as the script's `call` where they may spread. */
async function begin(
  options: RunOptions,
  transport: Transport,
  call: Call | undefined,
  driver: CommandQueue | undefined,
): Promise<Started | Replay> {
  const told: Started["told"] = [];
  const opened = open(ticketOf() ? unseen(options) : options, { transport, call, driver });
  const done = opened.then(({ done }) => done);
  done.catch(() => {}); // told to who waits for it
  call?.ends(told, done.then(plain));
  const { plan, firstStep, evaluated, root } = await opened;
  if (root) return { plan, firstStep, done, told, evaluated };
  await done;
  const past = (await call?.line?.wait()) as Replay["past"] | undefined;
  return past ? { plan, past } : process.exit();
}

/** A run that a worker runs again on its way to a later call leaves nothing behind. */
const unseen = ({ checkpoint: _, ...options }: RunOptions): RunOptions => ({ ...options, run: false, quiet: true });

const plain = ({ plan: _, ...result }: TrainResult): Omit<TrainResult, "plan"> => result;

interface Around extends Pick<RanksJob, "call" | "driver"> {
  readonly transport: Transport;
}

/** Plans a run and starts it, once those before are over. */
async function open(options: RunOptions, { transport, call, driver }: Around) {
  const decided = await plan(options);
  const attempt = attempted();
  if (attempt !== undefined) checkRestarts(options);
  const past = (await call?.before()) ?? [];
  refuseStopped(past);
  const root = transport.ranks?.includes(0) ?? true;
  const again = (attempt ?? 0) > 0;
  const found = root ? await findResumed(options, decided, again) : undefined;
  const evaluations: Evaluation[] = [];
  const { done, run } = runToEnd({ options, plan: decided, driver, call, past, found, again }, transport, evaluations);
  const evaluated = (evaluation: Evaluation) => {
    evaluations.push(evaluation);
    run.events.onEvaluation?.(evaluation);
  };
  return { plan: decided, firstStep: found?.state.step ?? 0, done, evaluated, root };
}

/** A signal stops the script, not one run of it. */
function refuseStopped(past: readonly PastCall[]): void {
  const stopped = past.map(({ result }) => (result as TrainResult | undefined)?.stopped).find(Boolean);
  if (!stopped) return;
  process.stderr.write(`stopped by ${stopped}: the script's next run does not begin\n`);
  process.exit(exitCodeOf(stopped));
}
