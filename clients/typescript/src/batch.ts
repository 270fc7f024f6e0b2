import { MAX_COUNT } from "./limits";

export type Entry = readonly [event: string, count: number];

/** A batch has been sent at least once, and never changes: its id counts once, however often it is sent. */
export type Batch = readonly [id: string, entries: readonly Entry[]];

/** Truncates and clamps a count to 1..50, as the server does; 1 where it is no finite number. */
export function clampCount(count = 1): number {
  return Number.isFinite(count) ? Math.min(MAX_COUNT, Math.max(1, Math.trunc(count))) : 1;
}

/** Sums the counts of each event, in as few entries of at most 50 as possible. */
export function mergeEntries(calls: readonly Entry[]): Entry[] {
  const totals = new Map<string, number>();
  for (const [event, count] of calls) totals.set(event, (totals.get(event) ?? 0) + count);
  const entries: Entry[] = [];
  for (let [event, total] of totals) {
    for (; total > 0; total -= MAX_COUNT) entries.push([event, Math.min(total, MAX_COUNT)]);
  }
  return entries;
}

/** The request body of `POST /api/telemetry/batch`. */
export function toBody([id, entries]: Batch): string {
  return JSON.stringify({ batch_id: id, events: entries.map(([event, count]) => ({ event, count })) });
}
