// Refuses a schedule that could not run, before any tensor exists. Says what is wrong where: rank, index, action.
// Does not judge: a slow schedule, or one that sums gradients in another order, is valid.
import type { Action, Op, Schedule } from "./schedule.ts";
import { hasMicro, isCompute, ops, partnerOf, rankOfStage, showAction, stagesOf } from "./schedule.ts";
import { simulate } from "./simulate.ts";

interface Place {
  readonly rank: number;
  readonly index: number;
  readonly action: Action;
}

/** What the rules read: every action in order, rank by rank, and where each stands by name. */
interface Plan {
  readonly schedule: Schedule;
  readonly micros: number;
  readonly stages: number;
  readonly places: readonly Place[];
  readonly find: (stage: number, op: Op, micro?: number) => Place | undefined;
}

/**
 * Throws at the first action that cannot be: F and B exactly once per stage and micro, W of all micros of a stage or of
 * none, F before B before W, one rank a stage, each SEND with its RECV in an order that cannot deadlock, UNSHARD and
 * RESHARD in turn around the compute, and REDUCE_GRAD for all stages or none, once, after the last B and W.
 */
export function validate(schedule: Schedule, { micros }: { readonly micros: number }): void {
  checkActions(schedule, { micros });
  const places = placesOf(schedule);
  const named = new Map(places.map((place) => [showAction(place.action), place]));
  const find: Plan["find"] = (stage, op, micro) => named.get(`${stage}${op}${micro ?? ""}`);
  const plan = { schedule, micros, stages: stagesOf(schedule), places, find };
  for (const rule of [owners, once, complete, halves, order, pairs, shards, reductions]) rule(plan);
  simulate(schedule);
}

/**
 * Throws where a value is no schedule: not a list of actions a rank, an unknown op, a stage or micro that is no index,
 * a micro too many or left out. The first part of `validate`, for whoever reads a schedule before it is whole.
 */
export function checkActions(schedule: Schedule, { micros }: { readonly micros: number }): void {
  if (!Array.isArray(schedule) || !schedule.every((actions) => Array.isArray(actions)))
    throw new Error(
      `schedule refused: ${JSON.stringify(schedule)?.slice(0, 80)} is not a list of actions a rank, such as accumulate(1): ` +
        '[[{ stage: 0, op: "F", micro: 0 }, { stage: 0, op: "B", micro: 0 }]]',
    );
  const places = placesOf(schedule);
  if (places.length === 0)
    throw new Error("schedule refused: it has no actions; accumulate(micros) is the least there is");
  for (const place of places) form(place, micros);
}

const placesOf = (schedule: Schedule): Place[] =>
  schedule.flatMap((actions, rank) => actions.map((action, index) => ({ rank, index, action })));

function refuse({ rank, index, action }: Place, why: string): never {
  throw new Error(`schedule refused at rank ${rank}, action ${index} (${showAction(action)}): ${why}`);
}

function form(place: Place, micros: number): void {
  if (!ops.includes(place.action?.op)) {
    const shown = `rank ${place.rank}, action ${place.index}: ${JSON.stringify(place.action)}`;
    throw new Error(`schedule refused at ${shown} has no known op: the ops are ${ops.join(" ")}`);
  }
  const { stage, op, micro } = place.action;
  if (!Number.isInteger(stage) || stage < 0) refuse(place, `stage ${stage} is not an integer from 0`);
  if (!hasMicro(op) && micro !== undefined) refuse(place, `${op} concerns the whole stage: leave out the micro`);
  const fits = micro !== undefined && Number.isInteger(micro) && micro >= 0 && micro < micros;
  if (hasMicro(op) && !fits) refuse(place, `micro ${micro} is not one of 0 to ${micros - 1}`);
}

function owners({ places }: Plan): void {
  const first = new Map<number, Place>();
  for (const place of places) {
    const owner = first.get(place.action.stage) ?? place;
    first.set(place.action.stage, owner);
    const { rank, index } = owner;
    if (rank !== place.rank)
      refuse(place, `stage ${place.action.stage} runs on rank ${rank} already (action ${index})`);
  }
}

/** UNSHARD and RESHARD may repeat: a stage may be gathered more than once in a step. */
function once({ places }: Plan): void {
  const seen = new Map<string, Place>();
  for (const place of places) {
    const name = showAction(place.action);
    const before = seen.get(name);
    const repeats = place.action.op === "UNSHARD" || place.action.op === "RESHARD";
    if (before && !repeats) refuse(place, `it stands at action ${before.index} already; it must run once`);
    seen.set(name, place);
  }
}

function complete({ places, stages, micros, find }: Plan): void {
  for (let stage = 0; stage < stages; stage++) {
    const start = places.find(({ action }) => action.stage === stage);
    if (!start) throw new Error(`schedule refused: no rank runs stage ${stage}, and stages are 0 to ${stages - 1}`);
    for (let micro = 0; micro < micros; micro++)
      for (const op of ["F", "B"] as const)
        if (!find(stage, op, micro))
          refuse(start, `${stage}${op}${micro} is missing; a stage needs F and B of each micro, 0 to ${micros - 1}`);
  }
}

/** W splits the backward of a stage, so it splits all of them. */
function halves({ places, micros, find }: Plan): void {
  for (const place of places) {
    const { stage, op } = place.action;
    if (op !== "W") continue;
    for (let micro = 0; micro < micros; micro++)
      if (!find(stage, "W", micro))
        refuse(place, `${stage}W${micro} is missing; a stage has W of each micro, 0 to ${micros - 1}, or of none`);
  }
}

const mustPrecede: readonly (readonly [Op, Op])[] = [
  ["RECV_F", "F"],
  ["F", "SEND_F"],
  ["F", "B"],
  ["RECV_B", "B"],
  ["B", "W"],
  ["B", "SEND_B"],
];

function order({ places, find }: Plan): void {
  for (const place of places)
    for (const [early, late] of mustPrecede) {
      if (place.action.op !== late) continue;
      const other = find(place.action.stage, early, place.action.micro);
      if (other && other.index > place.index)
        refuse(place, `it comes before ${showAction(other.action)} (action ${other.index}), which it needs`);
    }
}

function pairs({ schedule, stages, places, find }: Plan): void {
  for (const place of places) {
    const { stage, op, micro } = place.action;
    const partner = partnerOf(place.action);
    if (partner && (partner.stage < 0 || partner.stage >= stages)) refuse(place, `there is no stage ${partner.stage}`);
    if (partner && !find(partner.stage, partner.op, micro)) refuse(place, `${showAction(partner)} is missing`);
    const from = op === "F" ? stage - 1 : op === "B" ? stage + 1 : stage;
    if (from === stage || from < 0 || from >= stages || rankOfStage(schedule, from) === place.rank) continue;
    const recv: Op = op === "F" ? "RECV_F" : "RECV_B";
    if (!find(stage, recv, micro))
      refuse(place, `stage ${from} is on another rank and ${stage}${recv}${micro} is missing`);
  }
}

function shards({ places }: Plan): void {
  const gathered = new Set(places.filter(({ action }) => action.op === "UNSHARD").map(({ action }) => action.stage));
  const whole = new Map<number, Place>();
  for (const place of places) {
    const { stage, op } = place.action;
    const since = whole.get(stage);
    if (op === "UNSHARD" && since)
      refuse(place, `stage ${stage} is whole since action ${since.index}; RESHARD it first`);
    if (op === "RESHARD" && !since) refuse(place, `stage ${stage} is not whole here; UNSHARD it first`);
    if (isCompute(op) && gathered.has(stage) && !since)
      refuse(place, `stage ${stage} is sharded here; UNSHARD it first`);
    if (op === "UNSHARD") whole.set(stage, place);
    if (op === "RESHARD") whole.delete(stage);
  }
  for (const [stage, place] of whole) refuse(place, `no RESHARD of stage ${stage} follows`);
}

function reductions({ places, stages, find }: Plan): void {
  if (!places.some(({ action }) => action.op === "REDUCE_GRAD")) return;
  for (let stage = 0; stage < stages; stage++) {
    const last = places.findLast(({ action: { stage: of, op } }) => of === stage && (op === "B" || op === "W"));
    const reduce = find(stage, "REDUCE_GRAD");
    if (last && !reduce)
      refuse(last, `other stages have REDUCE_GRAD and stage ${stage} has none after its last backward`);
    if (last && reduce && reduce.index < last.index)
      refuse(reduce, `it comes before ${showAction(last.action)} (action ${last.index}), the stage's last backward`);
  }
}
