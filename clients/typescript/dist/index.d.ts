import type { TelemetryEvent } from "./events";
import { type Telemetry } from "./telemetry";
export type { Telemetry, TelemetryEvent };
/** Telemetry for another address, or for the events of a registry of your own. One address has one queue. */
export declare function createTelemetry<E extends string = TelemetryEvent>({ url }?: {
    url?: string | undefined;
}): Telemetry<E>;
/** Counts an event for who is signed in, at `/api/telemetry/batch` of this origin. */
export declare const sdTelemetry: Telemetry<TelemetryEvent>;
export declare const reset: () => Promise<void>, disable: () => void;
