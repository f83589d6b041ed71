// The shape of a message's key, written down here alone: `tp.all-reduce step 3 micro 1 move 4 F` is the axis, a point,
// the call, a space, and what names the call. Nothing else builds or reads one.

/** The axis that messages among all ranks of a run name: no mesh axis may have this name. */
export const world = "world";

/** Names one message: `axis` is its mesh axis or `world`, `call` the operation, `at` the moment, the same on all members. */
export const messageKey = (axis: string, call: string, at = ""): string => `${axis}.${call}${at && ` ${at}`}`;

/** Reads the axis that a key opens with. */
export const axisOfKey = (key: string): string => key.slice(0, key.indexOf("."));

/** Reads the axis and the call: `tp.all-reduce`. */
export const callOfKey = (key: string): string => key.split(" ", 1)[0] as string;

/** Reads what names the call: `step 3 micro 1 move 4 F`. */
export const atOfKey = (key: string): string => key.slice(callOfKey(key).length + 1);
