import type { TelemetryEvent } from "./events";
import { connect, disconnected, type Telemetry } from "./telemetry";

export type { Telemetry, TelemetryEvent };

const DEFAULT_URL = "/api/telemetry/batch";
const KEY = "sd_telemetry"; // in sessionStorage; for another address, that address follows

const connected: Record<string, Telemetry<string>> = {}; // by URL: two queues must not share a place in storage

/** Telemetry for another address, or for the events of a registry of your own. One address has one queue. */
export function createTelemetry<E extends string = TelemetryEvent>({ url = DEFAULT_URL } = {}): Telemetry<E> {
  connected[url] ??=
    typeof window === "undefined" ? disconnected() : connect(window, url, url === DEFAULT_URL ? KEY : `${KEY} ${url}`);
  return connected[url];
}

/** Counts an event for who is signed in, at `/api/telemetry/batch` of this origin. */
export const sdTelemetry: Telemetry<TelemetryEvent> = createTelemetry();

export const { reset, disable } = sdTelemetry;
