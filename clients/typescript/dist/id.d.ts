import { type Surroundings } from "./surroundings";
/**
 * A UUIDv7 (RFC 9562, section 5.7): its first 48 bits say when it was made, in milliseconds since 1970.
 * By hand, because `crypto.randomUUID` is missing on insecure origins and makes version 4.
 */
export declare function newId(around: Surroundings): string;
/** Whether `id` is one of ours that may (still) be sent at `now`, in milliseconds since 1970. */
export declare function isSendable(id: string, now: number): boolean;
