// The wire: three methods; everything else is built on them. Moves bytes by name, never tensors.
import type { DTypeName } from "./dtypes.ts";

export interface Frame {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  /** The elements, little-endian; `byteLength` is elements x element size. Received memory is aligned to 8 bytes. */
  readonly data: Uint8Array;
}

export interface Endpoint {
  /** This endpoint's rank, `0 .. size - 1`. */
  readonly rank: number;
  readonly size: number;
  /**
   * Sends one frame to each rank of `to`, under `key`. Resolves when the memory may be reused; waits for credit.
   * A key is used once between two ranks until it was received. Rejects once closed.
   */
  send(to: readonly number[], key: string, frame: Frame): Promise<void>;
  /** The frame that `from` sent under `key`, whenever it arrives; the caller owns its memory. Rejects once closed. */
  recv(from: number, key: string): Promise<Frame>;
  /**
   * Gives back the memory of a received frame, which a later one may then use: do not touch it again. Never needed;
   * saves the first touch of fresh pages, which costs several times the copy into them.
   */
  recycle?(data: Uint8Array): void;
  /**
   * Ends this endpoint: what waits in `send` or `recv` here rejects. Calling it again does nothing. `failure` says why,
   * where this rank failed: a wire between processes tells all others, whose waits then reject naming it.
   */
  close(failure?: string): Promise<void>;
}
