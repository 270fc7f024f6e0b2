import { isSendable } from "./id";
import { MAX_BATCHES, MAX_COUNT } from "./limits";
import { quietly } from "./surroundings";

export type Entry = readonly [event: string, count: number];

/** What was tried under an id; it never changes, so that it counts once, whoever sends it again. */
export type Batch = readonly [id: string, entries: readonly Entry[]];

/** A count the server takes as it is: a whole number, 1..50. */
export function clampCount(count = 1): number {
  return Number.isFinite(count) ? Math.min(MAX_COUNT, Math.max(1, Math.trunc(count))) : 1;
}

/** Equal events added up, in as many entries of at most 50 as it takes. */
export function addUp(calls: readonly Entry[]): Entry[] {
  const totals = new Map<string, number>();
  for (const [event, count] of calls) totals.set(event, (totals.get(event) ?? 0) + count);
  const entries: Entry[] = [];
  for (const [event, total] of totals) {
    for (let left = total; left > 0; left -= MAX_COUNT) entries.push([event, Math.min(left, MAX_COUNT)]);
  }
  return entries;
}

/** The request body of `POST /api/telemetry/batch`. */
export function toBody([id, entries]: Batch): string {
  return JSON.stringify({ batch_id: id, events: entries.map(([event, count]) => ({ event, count })) });
}

/** What storage keeps: `[[id, [[event, count], …]], …]`, nothing where there is no batch. */
export function toText(batches: readonly Batch[]): string {
  return batches[0] ? JSON.stringify(batches) : "";
}

/**
 * The batches of a stored text, made after `start`, that may still be sent at `now` (milliseconds since 1970); one that
 * `toText` cannot have written is left out.
 * Throws where the text is no list at all.
 */
export function fromText(text: string | null, now: number, start: number): Batch[] {
  const isSound = ([id, entries]: Batch) =>
    isSendable(id, now, start) &&
    entries.every(([event, count]) => typeof event === "string" && count === clampCount(count));
  const stored: Batch[] = JSON.parse(text ?? "[]");
  return stored.filter((batch) => quietly(() => isSound(batch))).slice(0, MAX_BATCHES);
}
