// Which machines make a run together, in what order: as one of them, a launcher with its ranks, sees it. They are numbered as they
// come, one that is lost is replaced by one that waits, or, where the run is elastic, left out. The first in order decides, and all
// say what they know, so that a lost word does no harm. Pure: no server, no clock.

/** A start of the run: everyone who takes part knows it alike. */
export interface Start {
  /** Counts the starts of the run, from 0. */
  readonly number: number;
  /** Starts before it that ended because something was lost. */
  readonly losses: number;
  /** Names of its machines; the ranks of the first are the first. */
  readonly machines: readonly string[];
}

/** What a machine says again and again: how things stand. */
export interface Word {
  readonly id: string;
  /** What all machines must be told alike. */
  readonly about: string;
  /** Number of the last start that it began; -1 where it began none. */
  readonly begun: number;
  /** None of its ranks runs. */
  readonly free: boolean;
  /** The exit code with which it leaves; -1 while it stays. */
  readonly left: number;
  /** The latest start that it knows. */
  readonly start: Start | undefined;
}

export interface RosterOptions {
  /** This machine's name: an earlier start sorts first. */
  readonly id: string;
  readonly about: string;
  /** Machines that the run wants. */
  readonly machines: number;
  /** Goes on with fewer, and with more again once they come. */
  readonly elastic: boolean;
  /** Losses after which nothing is started again. */
  readonly restarts: number;
  /** Looks that a run waits for machines. */
  readonly patience: number;
}

/** Looks without a word after which a machine is lost. */
export const lostAfter = 20;
/** Looks that a new machine listens before it may decide: what runs already has said so. */
const listens = 4;
/** Machines that are remembered, at most. */
const most = 1024;

export const isSame = (a: Start | undefined, b: Start | undefined): boolean =>
  a?.number === b?.number && a?.machines.join() === b?.machines.join();

/** Says why another start counts than the one before. */
export function whyReplaced({ machines: before }: Start, { machines: now }: Start): string {
  const lost = before.filter((id) => !now.includes(id)).length;
  const came = now.filter((id) => !before.includes(id)).length;
  const told = [lost && `${lost} of ${before.length} machines lost`, came && `${came} more came`].filter(Boolean);
  return told.join(", ") || "a rank of another machine is lost";
}

/** Whether `a` counts, and `b` no more. Of two with one number, made where machines did not hear each other, everyone takes the same. */
function isLater(a: Start, b: Start | undefined): boolean {
  if (!b || a.number !== b.number) return a.number > (b?.number ?? -1);
  return a.machines.join() < b.machines.join();
}

export class Roster {
  readonly #options: RosterOptions;
  /** The others, by name, with the looks since they were heard. */
  readonly #others = new Map<string, { word: Word; age: number }>();
  #start: Start | undefined;
  #begun: Start | undefined;
  #free = true;
  #left = -1;
  /** Looks in all, and since this machine became free. */
  #looks = 0;
  #waited = 0;

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  get word(): Word {
    const { id, about } = this.#options;
    return { id, about, begun: this.#begun?.number ?? -1, free: this.#free, left: this.#left, start: this.#start };
  }

  /** The latest start that is known. */
  get start(): Start | undefined {
    return this.#start;
  }

  /** The start that this machine is in and has not begun. */
  get next(): Start | undefined {
    const start = this.#start;
    return this.#free && start?.machines.includes(this.#options.id) && !isSame(start, this.#begun) ? start : undefined;
  }

  /** The exit code with which a machine of the latest start left: the run is over. */
  get over(): number | undefined {
    const left = this.#start?.machines.map((id) => this.#others.get(id)?.word.left ?? -1) ?? [];
    return left.find((code) => code >= 0);
  }

  /** Lists the machines that are here, this one too: those of the latest start in its order, then others as they came. */
  get here(): readonly string[] {
    const others = [...this.#others.values()].filter(({ word, age }) => age < lostAfter && word.left < 0);
    const all = [this.#options.id, ...others.map(({ word }) => word.id)].sort();
    const first = this.#start?.machines.filter((id) => all.includes(id)) ?? [];
    return [...first, ...all.filter((id) => !first.includes(id))];
  }

  /** Whether a wait for machines has been too long. */
  get isLate(): boolean {
    const { patience, elastic } = this.#options;
    return this.#free && this.#waited >= patience + (elastic ? lostAfter : 0) && !this.#isSpare;
  }

  /** Whether nobody of this run was heard, in time enough. */
  get isAlone(): boolean {
    return this.#others.size === 0 && this.#looks > listens;
  }

  /** Takes a start as begun. */
  begin(start: Start): void {
    [this.#begun, this.#free] = [start, false];
  }

  /** Tells that no rank runs here any more. */
  end(): void {
    [this.#free, this.#waited] = [true, 0];
    this.#decide();
  }

  leave(code: number): void {
    this.#left = code;
  }

  /** Hears a machine. Returns what it was told where that is something else, and it was first. */
  hear(word: Word): string | undefined {
    const { id, about } = this.#options;
    if (word.id === id || (!this.#others.has(word.id) && this.#others.size >= most)) return undefined;
    if (word.about !== about) return word.start || word.id < id ? word.about : undefined;
    this.#others.set(word.id, { word, age: 0 });
    if (word.start && isLater(word.start, this.#start)) this.#start = word.start;
    this.#decide();
    return undefined;
  }

  /** Lets time pass: a look, at which the server could be heard. */
  look(): void {
    this.#looks++;
    this.#waited++;
    for (const other of this.#others.values()) other.age++;
    this.#decide();
  }

  /** Whether the run goes on without this machine. */
  get #isSpare(): boolean {
    const start = this.#start;
    return start !== undefined && !start.machines.includes(this.#options.id) && this.here[0] !== this.#options.id;
  }

  #decide(): void {
    const here = this.here;
    if (here[0] !== this.#options.id || this.over !== undefined || this.#left >= 0) return;
    const losses = this.#start ? this.#lossesNow(this.#start, here) : this.#isReady(here) ? 0 : undefined;
    if (losses === undefined || losses > this.#options.restarts) return;
    const { machines, elastic } = this.#options;
    if (here.length < machines && !elastic) return;
    this.#start = { number: (this.#start?.number ?? -1) + 1, losses, machines: here.slice(0, machines) };
  }

  /** Whether the run can begin. */
  #isReady(here: readonly string[]): boolean {
    const { machines, patience } = this.#options;
    return this.#looks >= listens && (here.length >= machines || this.#looks >= patience);
  }

  /** Losses with one that has happened; undefined where the start goes on as it is. */
  #lossesNow(start: Start, here: readonly string[]): number | undefined {
    const isLost = (id: string): boolean => {
      const { free, begun } = id === this.#options.id ? this.word : (this.#others.get(id)?.word ?? this.word);
      return !here.includes(id) || (free && begun >= start.number);
    };
    if (start.machines.some(isLost)) return start.losses + 1;
    const { elastic, machines } = this.#options;
    const wanted = Math.min(here.length, machines);
    return elastic && wanted > start.machines.length ? start.losses : undefined;
  }
}
