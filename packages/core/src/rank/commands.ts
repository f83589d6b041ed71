// What the loop that drives a run asks of all ranks between two steps. Rank 0 hears it and passes it on: a command is one small
// message to each rank. Runs that nobody drives send none.
import { broadcast } from "../group/tree.ts";
import { type Members, toFrame, toVector } from "../group/vectors.ts";
import type { ParamSpec } from "../params/params.ts";
import { assemble, holdersOf } from "../plan/assemble.ts";
import type { Plan } from "../plan/plan.ts";
import type { Endpoint } from "../transports/endpoint.ts";
import { messageKey, world } from "../transports/key.ts";

/** Run a step, end the run, or gather a parameter: its index among the plan's. */
export type Command = "step" | "close" | number;

/** Who drives a run. Every rank of the run has one; rank 0 alone calls it. */
export interface Driver {
  /** Resolves to the next command. */
  next(): Promise<Command>;
  /** Hands over the values of a parameter that a command named. */
  gathered(values: Float32Array): void;
}

const codes = { step: -1, close: -2 } as const;

export class Commands {
  readonly #plan: Plan;
  readonly #driver: Driver;
  readonly #world: Members;

  constructor(plan: Plan, driver: Driver, endpoint: Endpoint) {
    this.#plan = plan;
    this.#driver = driver;
    this.#world = { endpoint, ranks: plan.ranks.map(({ rank }) => rank), at: endpoint.rank };
  }

  /** Does what is asked before `step`; `read` reads a piece of this rank. Resolves to whether to run the step. */
  async obey(step: number, read: (name: string) => Promise<Float32Array>): Promise<boolean> {
    for (let count = 0; ; count++) {
      const at = `step ${step} command ${count}`;
      const code = await this.#hear(messageKey(world, "command", at));
      if (code < 0) return code === codes.step;
      await this.#gather(this.#plan.specs[code]!, read, messageKey(world, "parameter", at));
    }
  }

  async #hear(key: string): Promise<number> {
    const command = this.#world.at === 0 ? await this.#driver.next() : undefined;
    const code = typeof command === "string" ? codes[command] : command;
    return (await broadcast(this.#world, code === undefined ? undefined : Float64Array.of(code), key))[0]!;
  }

  /** Brings the pieces of a parameter to rank 0, one of each that several ranks have. */
  async #gather(spec: ParamSpec, read: (name: string) => Promise<Float32Array>, key: string): Promise<void> {
    const { endpoint, at } = this.#world;
    const ranks = holdersOf(spec, this.#plan);
    const mine = ranks.some(({ rank }) => rank === at) ? await read(spec.name) : undefined;
    if (at > 0) return mine && endpoint.send([0], key, toFrame(mine));
    const pieceOf = async (rank: number) =>
      rank === 0 ? mine! : (toVector(await endpoint.recv(rank, key)) as Float32Array);
    const pieces: ReadonlyMap<string, Float32Array>[] = [];
    for (const { rank } of ranks) pieces[rank] = new Map([[spec.name, await pieceOf(rank)]]);
    const { mesh } = this.#plan;
    this.#driver.gathered(assemble({ specs: [spec], mesh, ranks }, pieces).get(spec.name)!);
  }
}
