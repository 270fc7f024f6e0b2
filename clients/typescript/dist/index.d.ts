/** Counts events, fire and forget: it returns at once, never throws and never writes to the console. */
export interface Telemetry<E extends string = string> {
    /** Counts `event` `count` times: a whole number, 1..50; 1 where it is missing or no number. 0 counts nothing. */
    (event: E, count?: number): void;
    /**
     * Call and await it at sign-out, before the session ends: the cookie says whose the counts are. Queued counts of all
     * addresses are sent a last time and then forgotten; other tabs of this origin forget theirs. Later calls belong to
     * the next viewer. Settles within 2 seconds and never rejects.
     */
    reset(): Promise<void>;
    /** Forgets queued counts of all addresses. Nothing is counted, stored or sent any more until the page is left. */
    disable(): void;
}
/** Telemetry that knows your events, `createTelemetry<"photo_opened" | …>()`, or for another address. One address has one queue. */
export declare function createTelemetry<E extends string = string>({ url }?: {
    url?: string | undefined;
}): Telemetry<E>;
/** Counts an event for the signed-in viewer, at `/api/telemetry/batch` of this origin. */
export declare const sdTelemetry: Telemetry<string>;
export declare const reset: () => Promise<void>, disable: () => void;
