// Where checkpoints of a run are, known to the first rank and told to all; and which ranks see the same disk there.
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { broadcast, gatherToFirst } from "../group/tree.ts";
import type { Members } from "../group/vectors.ts";
import { messageKey, world } from "../transports/key.ts";
import { type Found, findCheckpoint, openFolder, tokenFile } from "./folder.ts";
import { encodeState, parseState } from "./state.ts";

/** Folders of a run, from the working directory. */
export interface Folders {
  /** Where its checkpoints go. */
  readonly into?: string | undefined;
  /** The checkpoint that it goes on from. */
  readonly from?: string | undefined;
}

/** Folders as all ranks know them. */
export interface Known {
  readonly into: string | undefined;
  readonly found: Found | undefined;
  /** The file in `into` by which ranks told that they see it. */
  readonly token: string;
  /** Ranks that do not see the first one's `into`, and its checkpoint. */
  readonly apart: { readonly into: readonly number[]; readonly from: readonly number[] };
}

interface Told extends Folders {
  readonly token: string;
  /** The state of the checkpoint, as it is written. */
  readonly state: string | undefined;
}

/** Brings the folders from the first rank to all, the one for checkpoints made. */
export async function tellFolders(members: Members, folders: Folders = {}): Promise<Known> {
  const text = members.at === 0 ? JSON.stringify(await prepared(folders)) : undefined;
  const bytes = await broadcast<Uint8Array>(
    members,
    text === undefined ? undefined : new TextEncoder().encode(text),
    messageKey(world, "folders"),
  );
  const { into, from, token, state } = JSON.parse(new TextDecoder().decode(bytes)) as Told;
  const blind = [
    into !== undefined && !existsSync(join(into, token)),
    from !== undefined && !(await isSame(from, state)),
  ];
  const key = messageKey(world, "seen");
  const all = await broadcast(members, await gatherToFirst(members, Uint8Array.from(blind, Number), key), key);
  const apart = (which: 0 | 1) => members.ranks.filter((_, i) => all[2 * i + which] === 1);
  const found = from === undefined ? undefined : { path: from, state: parseState(from, state!) };
  return { into, found, token, apart: { into: apart(0), from: apart(1) } };
}

async function prepared({ into, from }: Folders): Promise<Told> {
  const token = tokenFile();
  if (into !== undefined) {
    await openFolder(into);
    await writeFile(join(into, token), "");
  }
  const found = from === undefined ? undefined : await findCheckpoint(from);
  if (from !== undefined && !found) throw new Error(`resume: there is no checkpoint in ${from}`);
  return { into, from: found?.path, token, state: found && encodeState(found.state) };
}

/** Whether this rank finds the same checkpoint at a path: another machine may have another of that name. */
async function isSame(path: string, state: string | undefined): Promise<boolean> {
  const found = await findCheckpoint(path).catch(() => undefined);
  return found !== undefined && encodeState(found.state) === state;
}
