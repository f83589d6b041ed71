// One rank's end of a transport: three methods; everything else is built on them. Moves bytes by name, never tensors.
import type { Group } from "../group/group.ts";
import type { DTypeName } from "./dtypes.ts";

/** Message: elements as bytes, with their dtype and shape. */
export interface Frame {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  /** The elements, little-endian; `byteLength` is elements x element size. Received memory is aligned to 8 bytes. */
  readonly data: Uint8Array;
}

/** One rank's end of a transport: sends and receives frames by key. */
export interface Endpoint {
  /** This endpoint's rank, `0 .. size - 1`. */
  readonly rank: number;
  /** Ranks of the whole run. */
  readonly size: number;
  /**
   * Sends one frame to each rank of `to`, under `key`. Resolves when the memory may be reused; waits for credit.
   * A key is used once between two ranks until it was received. Rejects with a ClosedError once this end or one of `to`
   * is closed, with a StallError where credit does not come in time.
   */
  send(to: readonly number[], key: string, frame: Frame): Promise<void>;
  /**
   * Resolves to the frame that `from` sent under `key`, whenever it arrives; the caller owns its memory. Rejects with a
   * ClosedError once this end, or `from`, is closed (a LostRankError where it is known why), with a StallError where the
   * frame does not come in time.
   */
  recv(from: number, key: string): Promise<Frame>;
  /**
   * Gives back the memory of a received frame, which a later one may then use: do not touch it again. Never needed;
   * saves the first touch of fresh pages, which costs several times the copy into them.
   */
  recycle?(data: Uint8Array): void;
  /**
   * Makes the group of `ranks` along a mesh axis, for a transport that does collectives itself, on device memory (NCCL).
   * Called once an axis, by all of its ranks, in the order of the mesh; `host`, over `send` and `recv`, carries what they
   * must tell each other to meet. Its calls are then made one after the other, in program order. Absent: `host` is used.
   */
  group?(axis: string, ranks: readonly number[], host: Group): Promise<Group>;
  /**
   * Ends this endpoint: what waits in `send` or `recv` here rejects. Calling it again does nothing. `failure` is what this
   * rank failed with: a transport between processes tells all others, whose waits then reject with a LostRankError.
   */
  close(failure?: Error): Promise<void>;
}
