/** Same-origin proxy for siddes-telemetry: a session cookie and a count pass, and nothing else. See README.md. */
export interface TelemetryProxyOptions {
    /** Where the ingest gateway is: an absolute http(s) URL; a path in it is kept as a prefix. */
    readonly ingestUrl: string;
    /** Where the summary service is; by default where the gateway is (`siddes-telemetry up` is both). */
    readonly summaryUrl?: string | undefined;
    /** The only cookie that passes, or its chunks. Default: sessionid. */
    readonly sessionCookie?: string | undefined;
    /** Lets the dev viewer pass too: cookie sd_viewer, header x-sd-viewer. Default: false. */
    readonly development?: boolean | undefined;
    /** Origins beside the app's own whose pages may post, as browsers write them. Default: none. */
    readonly origins?: readonly string[] | undefined;
    /** Default: the global one. */
    readonly fetch?: typeof fetch | undefined;
    /** How long upstream has for all of its answer, in milliseconds. Default: 12000. */
    readonly timeoutMs?: number | undefined;
}
/** Answers one request. Never rejects. */
export type TelemetryHandler = (request: Request) => Promise<Response>;
export interface TelemetryProxy {
    /** Paths that end in /series: the series; any other: the summary. */
    readonly GET: TelemetryHandler;
    /** Paths that end in /batch: a batch; any other: a single count. */
    readonly POST: TelemetryHandler;
}
/** The handlers of an app's /api/telemetry and below. Throws an Error where an option is wrong. */
export declare function telemetryProxy(options: TelemetryProxyOptions): TelemetryProxy;
