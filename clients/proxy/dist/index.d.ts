/** Same-origin proxy for siddes-telemetry: forwards a session cookie and a count, and nothing else. See README.md. */
import type { TelemetryProxyOptions } from "./options.js";
export type { TelemetryProxyOptions };
/** Handles one request. Never rejects. */
export type TelemetryHandler = (request: Request) => Promise<Response>;
export interface TelemetryProxy {
    /** Paths that end in /series: the series; any other: the summary. */
    readonly GET: TelemetryHandler;
    /** Paths that end in /batch: a batch; any other: a single count. */
    readonly POST: TelemetryHandler;
}
/** The handlers for an app's /api/telemetry and all paths below. Throws an Error for an invalid option. */
export declare function telemetryProxy(options: TelemetryProxyOptions): TelemetryProxy;
