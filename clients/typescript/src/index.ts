import { BATCHES_KEY } from "./storage-keys";
import { noTelemetry, pageTelemetry } from "./telemetry";

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

const DEFAULT_URL = "/api/telemetry/batch";

const byUrl: Record<string, Telemetry<string>> = {}; // two queues must not share a key in storage

/** Telemetry that knows your events, `createTelemetry<"photo_opened" | …>()`, or for another address. One address has one queue. */
export function createTelemetry<E extends string = string>({ url = DEFAULT_URL } = {}): Telemetry<E> {
  byUrl[url] ??=
    typeof document === "undefined"
      ? noTelemetry()
      : pageTelemetry(window, url, url === DEFAULT_URL ? BATCHES_KEY : `${BATCHES_KEY} ${url}`);
  return byUrl[url];
}

/** Counts an event for the signed-in viewer, at `/api/telemetry/batch` of this origin. */
export const sdTelemetry: Telemetry<string> = createTelemetry();

export const { reset, disable } = sdTelemetry;
