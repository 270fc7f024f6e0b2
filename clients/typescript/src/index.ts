import type { TelemetryEvent } from "./events.js"; // with its extension: it stays in the .d.ts, where Node's rules ask for it
import { DEFAULT_URL, KEY } from "./names";
import { connect, disconnected } from "./telemetry";

export type { TelemetryEvent };

/** Counts events, fire and forget: it returns at once, never throws and never writes to the console. */
export interface Telemetry<E extends string> {
  /** Counts `event` `count` times: whole, 1..50; 1 where it is left out or no number. 0 counts nothing. */
  (event: E, count?: number): void;
  /**
   * The viewer signs out: what waits, for whatever address, is tried a last time and forgotten; the other tabs of this
   * origin forget theirs. Await it before the session ends, as what is sent belongs to whom the cookie says. Calls made
   * after it belong to the next viewer. Settles within 2 seconds and never rejects.
   */
  reset(): Promise<void>;
  /** Forgets what waits, for whatever address; nothing is counted, stored or sent any more until the page is left. */
  disable(): void;
}

const connected: Record<string, Telemetry<string>> = {}; // by URL: two queues must not share a place in storage

/** Telemetry for another address, or for the events of a registry of your own. One address has one queue. */
export function createTelemetry<E extends string = TelemetryEvent>({ url = DEFAULT_URL } = {}): Telemetry<E> {
  connected[url] ??=
    typeof document === "undefined"
      ? disconnected()
      : connect(window, url, url === DEFAULT_URL ? KEY : `${KEY} ${url}`);
  return connected[url];
}

/** Counts an event for who is signed in, at `/api/telemetry/batch` of this origin. */
export const sdTelemetry: Telemetry<TelemetryEvent> = createTelemetry();

export const { reset, disable } = sdTelemetry;
