import { MAX_AGE_MS } from "./limits";
import { quietly, type Surroundings } from "./surroundings";

/**
 * A UUIDv7 (RFC 9562, section 5.7): its first 48 bits say when it was made, in milliseconds since 1970.
 * By hand, because `crypto.randomUUID` is missing on insecure origins and makes version 4.
 */
export function newId(around: Surroundings): string {
  const bytes = new Uint8Array(19).map(() => around.Math.random() * 256); // stays where there is no better randomness
  quietly(() => around.crypto.getRandomValues(bytes));
  let id = `${around.Date.now().toString(16).padStart(12, "0")}7`;
  bytes.forEach((byte, at) => {
    id += (at === 3 ? 8 + (byte & 3) : byte & 15).toString(16); // the variant is after the 12 bits of rand_a
  });
  return id.replace(/^.{8}|.{4}(?=.{12})/g, "$&-");
}

/** Whether `id` is one of ours, made after `start`, that may (still) be sent at `now`: milliseconds since 1970. */
export function isSendable(id: string, now: number, start = 0): boolean {
  const made = Number.parseInt(id.replace("-", ""), 16); // as far as the second hyphen; NaN, where it is no id at all
  return made > start && made <= now && now - made <= MAX_AGE_MS; // from the future: the clock was set, its age is unknown
}
