import { type Environment, ignoreErrors } from "./environment";
import { MAX_AGE_MS } from "./limits";

/**
 * A UUIDv7 (RFC 9562, section 5.7): its first 48 bits are its creation time in milliseconds since 1970.
 * Made by hand: `crypto.randomUUID` is missing on insecure origins and makes version 4.
 */
export function newBatchId(env: Environment): string {
  const bytes = new Uint8Array(19).map(() => env.Math.random() * 256); // the fallback where crypto is missing
  ignoreErrors(() => env.crypto.getRandomValues(bytes));
  let id = `${env.Date.now().toString(16).padStart(12, "0")}7`;
  bytes.forEach((byte, at) => {
    id += (at === 3 ? 8 + (byte & 3) : byte & 15).toString(16); // the variant follows the 12 bits of rand_a
  });
  return id.replace(/(?=(.{4}){3,6}$)/g, "-");
}

/** Whether `id` is a UUIDv7 made after `start` that may still be sent at `now`: milliseconds since 1970. */
export function isSendable(id: string, now: number, start = 0): boolean {
  const made = parseInt(id.replace("-", ""), 16); // parses up to the second hyphen; NaN where it is no UUID
  return made > start && made <= now && now - made <= MAX_AGE_MS; // from the future: the clock was set, its age is unknown
}
