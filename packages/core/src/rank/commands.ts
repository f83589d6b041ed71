// What the loop that drives a run asks of all ranks between two steps. Rank 0 hears it and passes it on: a command is one small
// message to each rank, and the samples of a batch to evaluate. Runs that nobody drives send none.
import { broadcast } from "../group/tree.ts";
import { type Members, toFrame, toVector } from "../group/vectors.ts";
import type { ParamSpec } from "../params/params.ts";
import { assemble, holdersOf } from "../plan/assemble.ts";
import type { Plan } from "../plan/plan.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { messageKey, world } from "../transports/key.ts";
import type { Batch, LossSum } from "./evaluation/evaluate.ts";

/** A batch to evaluate: an evaluation is several, and then what they came to. */
export interface BatchToEvaluate extends Batch {
  readonly kind: "evaluate";
}
/** What an evaluation came to, for all ranks to note: its loss per token, over so many samples. */
export interface Evaluated {
  readonly kind: "evaluated";
  readonly loss: number;
  readonly samples: number;
}

/** Run a step, end the run, gather a parameter (its index among the plan's), or evaluate. */
export type Command = "step" | "close" | number | BatchToEvaluate | Evaluated;

/** Who drives a run. Every rank of the run has one; rank 0 alone calls it. */
export interface Driver {
  /** Resolves to the next command. */
  next(): Promise<Command>;
  /** Hands over what a command asked for: the values of a parameter, the loss sum of a batch. */
  answer(what: Float32Array | LossSum): void;
}

/** What a rank does for a command. */
export interface Obeys {
  /** Reads a piece of this rank. */
  read(name: string): Promise<Float32Array>;
  /** Sums the losses of a batch; `at` names it in messages. */
  evaluate(batch: Batch, all: Members, at: string): Promise<LossSum>;
  /** Takes note of an evaluation. */
  evaluated(loss: number, samples: number): void;
}

const codes = { step: -1, close: -2, evaluate: -3, evaluated: -4 } as const;

/** A command as numbers: what to do, then its numbers. */
function encode(command: Command): Float64Array {
  if (typeof command === "number") return Float64Array.of(command);
  if (typeof command === "string") return Float64Array.of(codes[command]);
  if (command.kind === "evaluated") return Float64Array.of(codes.evaluated, command.loss, command.samples);
  return Float64Array.of(codes.evaluate);
}

export class Commands {
  readonly #plan: Plan;
  readonly #driver: Driver;
  readonly #world: Members;

  constructor(plan: Plan, driver: Driver, endpoint: Endpoint) {
    this.#plan = plan;
    this.#driver = driver;
    this.#world = { endpoint, ranks: plan.ranks.map(({ rank }) => rank), at: endpoint.rank };
  }

  /** Does what is asked before `step`. Resolves to whether to run the step. */
  async obey(step: number, rank: Obeys): Promise<boolean> {
    for (let count = 0; ; count++) {
      const at = `step ${step} command ${count}`;
      const command = this.#world.at === 0 ? await this.#driver.next() : undefined;
      const key = messageKey(world, "command", at);
      const numbers = await broadcast(this.#world, command === undefined ? undefined : encode(command), key);
      const [code, loss, samples] = numbers as unknown as [number, number, number];
      if (code === codes.step || code === codes.close) return code === codes.step;
      if (code >= 0) await this.#gather(this.#plan.specs[code]!, rank.read, messageKey(world, "parameter", at));
      else if (code === codes.evaluated) rank.evaluated(loss, samples);
      else await this.#evaluate(rank, command as BatchToEvaluate | undefined, at);
    }
  }

  async #evaluate(rank: Obeys, batch: BatchToEvaluate | undefined, at: string): Promise<void> {
    const side = (name: "input" | "target") =>
      broadcast(this.#world, batch?.[name], messageKey(world, `evaluated ${name}`, at));
    const sum = await rank.evaluate({ input: await side("input"), target: await side("target") }, this.#world, at);
    if (batch) this.#driver.answer(sum);
  }

  /** Brings the pieces of a parameter to rank 0, one of each that several ranks have. */
  async #gather(spec: ParamSpec, read: Obeys["read"], key: string): Promise<void> {
    const { endpoint, at } = this.#world;
    const ranks = holdersOf(spec, this.#plan);
    const mine = ranks.some(({ rank }) => rank === at) ? await read(spec.name) : undefined;
    if (at > 0) return mine && endpoint.send([0], key, toFrame(mine));
    const pieceOf = async (rank: number) =>
      rank === 0 ? mine! : (toVector(await endpoint.recv(rank, key)) as Float32Array);
    const pieces: ReadonlyMap<string, Float32Array>[] = [];
    for (const { rank } of ranks) pieces[rank] = new Map([[spec.name, await pieceOf(rank)]]);
    const { mesh } = this.#plan;
    this.#driver.answer(assemble({ specs: [spec], mesh, ranks }, pieces).get(spec.name)!);
  }
}
