import { quietly, type Surroundings } from "./surroundings";

const MAX_AGE_MS = 9 * 60_000; // the server forgets an id after 10 minutes; one is for the way there
const VARIANT_AT = 3; // after the version and the 12 bits of rand_a

/**
 * A UUIDv7 (RFC 9562, section 5.7): its first 48 bits say when it was made, in milliseconds since 1970.
 * By hand, because `crypto.randomUUID` is missing on insecure origins and makes version 4.
 */
export function newId(around: Surroundings): string {
  const bytes = new Uint8Array(19).map(() => around.Math.random() * 256); // stays where there is no better randomness
  quietly(() => around.crypto.getRandomValues(bytes));
  const time = around.Date.now().toString(16).padStart(12, "0");
  const noise = Array.from(bytes, (byte, at) => (at === VARIANT_AT ? 8 + (byte & 3) : byte & 15).toString(16)).join("");
  return `${time}7${noise}`.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Whether `id` is one of ours, made after `start`, that may (still) be sent at `now`: milliseconds since 1970. */
export function isSendable(id: string, now: number, start = 0): boolean {
  const made = Number.parseInt(id.replace("-", ""), 16); // as far as the second hyphen; NaN, where it is no id at all
  return made > start && made <= now && now - made <= MAX_AGE_MS; // from the future: the clock was set, its age is unknown
}
