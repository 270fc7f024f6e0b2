export declare const MAX_CALLS = 50;
export declare const MAX_BATCHES = 20;
export type Entry = readonly [event: string, count: number];
/** What was tried under an id; it never changes, so that it counts once, whoever sends it again. */
export type Batch = readonly [id: string, entries: readonly Entry[]];
/** A count the server takes as it is: a whole number, 1..50. */
export declare function clampCount(count?: number): number;
/** Equal events added up, in as many entries of at most 50 as it takes. */
export declare function addUp(calls: readonly Entry[]): Entry[];
/** The request body of `POST /api/telemetry/batch`. */
export declare function toBody([id, entries]: Batch): string;
/** What storage keeps: `[[id, [[event, count], …]], …]`, nothing where there is no batch. */
export declare function toText(batches: readonly Batch[]): string;
/**
 * The batches of a stored text that may still be sent at `now`; one that `toText` cannot have written is left out.
 * Throws where the text is no list at all.
 */
export declare function fromText(text: string | null, now: number): Batch[];
