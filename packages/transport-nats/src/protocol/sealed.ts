// The tag of a control message: HMAC-SHA256 (Krawczyk et al., RFC 2104), 16 bytes of it, before the message. Opens with a byte
// that msgpack never uses, so that who has no key sees that there is one.
import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { FrameError } from "./frame.ts";

const mark = 0xc1;
const tagBytes = 16;
const bodyAt = 1 + tagBytes;

/** What a message was refused for that another secret, or none, went into. */
export class SecretError extends FrameError {}

const tagOf = (key: KeyObject, body: Uint8Array): Uint8Array =>
  createHmac("sha256", key).update(body).digest().subarray(0, tagBytes);

/** Puts the tag before a message; none without a key. */
export function sealed(key: KeyObject | undefined, body: Uint8Array): Uint8Array {
  if (!key) return Uint8Array.from(body);
  const bytes = new Uint8Array(bodyAt + body.length);
  bytes[0] = mark;
  bytes.set(tagOf(key, body), 1);
  bytes.set(body, bodyAt);
  return bytes;
}

/** Returns a message without its tag, whoever made that. */
export const bodyOf = (bytes: Uint8Array): Uint8Array => (bytes[0] === mark ? bytes.subarray(bodyAt) : bytes);

/** Returns the message whose tag is right. Throws a SecretError otherwise. */
export function opened(key: KeyObject | undefined, bytes: Uint8Array): Uint8Array {
  const tagged = bytes[0] === mark && bytes.length >= bodyAt;
  if (!key && !tagged) return bytes;
  if (!key) throw new SecretError("a secret, this client has none");
  if (!tagged) throw new SecretError("no secret");
  const body = bytes.subarray(bodyAt);
  if (!timingSafeEqual(tagOf(key, body), bytes.subarray(1, bodyAt))) throw new SecretError("another secret");
  return body;
}
