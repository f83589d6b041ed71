// The gradients of one rank in one step: summed over micros and uses, then reduced by every strategy as soon as no segment
// will add to them, while the backward goes on (Li et al.: PyTorch distributed, VLDB 2020, section 3.2.3).
import type { Tensor } from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs";
import { type Meter, tensorBytes } from "../meter.ts";
import { elements, type Shape } from "../model/segment.ts";
import type { Moment } from "./moment.ts";
import type { StoreLayer } from "./store.ts";

/** A parameter that is trained on this rank. */
export interface Trained {
  readonly name: string;
  /** Shape of the local parameter, as segments see it. */
  readonly shape: Shape;
  /** The names under which segments of this rank use it, in the model's order; more than one where it is tied. */
  readonly uses: readonly string[];
  /** How often a step adds to its gradient on this rank. */
  readonly additions: number;
  /** Elements of the piece that is left of the gradient when it is reduced. */
  readonly piece: number;
}

export interface GradientsOptions {
  readonly trained: readonly Trained[];
  readonly meter: Meter;
  /** Adds up the sums of each parameter's uses, those on other stages included. Takes ownership. */
  combine(names: readonly string[], sums: readonly (readonly Tensor[])[], at: Moment): Promise<Tensor[]>;
  /** The strategies' reductions, in the order of the list. */
  readonly reductions: readonly NonNullable<StoreLayer["reduce"]>[];
  /** Complete gradients wait until they are this many bytes together; 0 for none to wait. */
  readonly bucketBytes: number;
}

/** Lets calls through in the order in which their turns were taken. */
class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Takes a turn: wait for `mine`, make the call, then `pass`. */
  take(): { readonly mine: Promise<void>; pass(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const mine = this.#last;
    this.#last = promise;
    return { mine, pass: resolve };
  }
}

/** The gradient of one parameter on its way through a step. */
interface Account {
  readonly of: Trained;
  /** Additions that this step still waits for. */
  left: number;
  /** Sums over micros, by use: uses are added up last, in the model's order, so that the bits are the same on every stage. */
  readonly sums: (Tensor | undefined)[];
  /** Resolves when it is reduced; absent while it is not being reduced. */
  running: Promise<void> | undefined;
  reduced: Tensor | undefined;
}

const open = (of: Trained): Account => ({
  of,
  left: of.additions,
  sums: of.uses.map(() => undefined),
  running: undefined,
  reduced: undefined,
});

export class Gradients {
  readonly #options: GradientsOptions;
  /** Accounts by parameter. */
  readonly #accounts: ReadonlyMap<string, Account>;
  /** The same by use. */
  readonly #owner: ReadonlyMap<string, Account>;
  /** One for each reduction: every member of a group makes the same calls in the same order. */
  readonly #turnstiles: readonly Turnstile[];
  /** Complete gradients that are not being reduced yet, and their bytes. */
  #bucket: Account[] = [];
  #bucketBytes = 0;
  #disposed = false;
  /** Bytes that the meter has on this account: of sums, and of pieces from the moment their reduction starts. */
  #held = 0;

  constructor(options: GradientsOptions) {
    this.#options = options;
    this.#accounts = new Map(options.trained.map((t) => [t.name, open(t)]));
    this.#owner = new Map([...this.#accounts.values()].flatMap((a) => a.of.uses.map((use) => [use, a] as const)));
    this.#turnstiles = options.reductions.map(() => new Turnstile());
  }

  #count(change: number): void {
    this.#held += change;
    this.#options.meter.add("grads", change);
  }

  /** Whether a use is trained: frozen ones take no gradient. */
  trains = (use: string): boolean => this.#owner.has(use);

  /** Adds the gradients of one segment; where these fill a bucket, its reduction starts. Takes ownership. */
  add(uses: readonly string[], grads: readonly Tensor[], at: Moment): void {
    const owners = uses.map((use) => this.#owner.get(use)!);
    for (const [i, account] of owners.entries()) this.#add(account, uses[i]!, grads[i]!);
    const done = owners.filter(({ left }, i) => left === 0 && owners.indexOf(owners[i]!) === i);
    for (const account of done) {
      this.#bucket.push(account);
      this.#bucketBytes += 4 * elements(account.of.shape);
    }
    if (done.length && this.#bucketBytes >= this.#options.bucketBytes) this.#flush(at);
  }

  #flush(at: Moment): void {
    const complete = this.#bucket;
    this.#bucket = [];
    this.#bucketBytes = 0;
    if (complete.length) this.#start(complete, at);
  }

  #add(account: Account, use: string, grad: Tensor): void {
    const { of, sums, left } = account;
    if (left === 0)
      throw new Error(
        `a segment adds to the gradient of ${of.name} more than the ${of.additions} times a step that plan counted: ` +
          "a layer must run the same segments on every rank and in every micro",
      );
    account.left--;
    const place = of.uses.indexOf(use);
    const seen = sums[place];
    sums[place] = seen ? tf.add(seen, grad) : grad;
    if (seen) tf.dispose([seen, grad]);
    else this.#count(tensorBytes(grad));
  }

  #start(accounts: readonly Account[], at: Moment): void {
    const sums = accounts.map((account) => this.#take(account));
    for (const { of } of accounts) this.#count(4 * of.piece);
    const names = accounts.map(({ of }) => of.name);
    const reduced = this.#reduce(names, sums, at).then((grads) => this.#keep(accounts, grads));
    reduced.catch(() => {}); // reported by `finish`
    for (const account of accounts) account.running = reduced;
  }

  /** Takes the sums of a parameter's uses; zeros for one that no segment reached. */
  #take({ of, sums }: Account): Tensor[] {
    return sums.map((sum, i) => {
      sums[i] = undefined;
      if (sum) this.#count(-tensorBytes(sum));
      return sum ?? tf.zeros([...of.shape]);
    });
  }

  async #reduce(names: readonly string[], sums: readonly Tensor[][], at: Moment): Promise<Tensor[]> {
    const { combine, reductions } = this.#options;
    const turns = this.#turnstiles.map((turnstile) => turnstile.take());
    try {
      let grads = await combine(names, sums, at);
      for (const [i, reduce] of reductions.entries()) {
        await turns[i]!.mine;
        const reduced = reduce(names, grads, at);
        turns[i]!.pass();
        grads = await reduced;
      }
      return grads;
    } finally {
      for (const turn of turns) turn.pass();
    }
  }

  #keep(accounts: readonly Account[], grads: readonly Tensor[]): void {
    if (this.#disposed) tf.dispose([...grads]);
    else
      accounts.forEach((account, i) => {
        account.reduced = grads[i]!;
      });
  }

  /** Waits for the reductions of these parameters; starts those of parameters that no loss depends on. */
  async finish(names: readonly string[], at: Moment): Promise<void> {
    this.#flush(at);
    const awaited = names.flatMap((name) => this.#accounts.get(name) ?? []);
    const late = awaited.filter(({ running }) => !running);
    if (late.length) this.#start(late, at);
    await Promise.all(new Set(awaited.map(({ running }) => running)));
    for (const account of awaited) {
      account.running = undefined;
      account.left = account.of.additions;
    }
  }

  /** The reduced gradient of what this rank owns of a parameter; undefined for one that is frozen. Lent. */
  get = (name: string): Tensor | undefined => this.#accounts.get(name)?.reduced;

  /** Frees a gradient that was used. */
  drop(name: string): void {
    const account = this.#accounts.get(name);
    if (!account?.reduced) return;
    this.#count(-4 * account.of.piece);
    account.reduced.dispose();
    account.reduced = undefined;
  }

  /** Frees everything; what a reduction under way still brings is freed when it comes. */
  dispose(): void {
    this.#disposed = true;
    this.#count(-this.#held);
    for (const { sums, reduced } of this.#accounts.values())
      tf.dispose([...sums, reduced].filter((x) => x !== undefined));
  }
}
