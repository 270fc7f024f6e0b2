/** The options of telemetryProxy. Imports nothing, so that the package's types need no other file. */
export interface TelemetryProxyOptions {
  /** The ingest gateway: an absolute http(s) URL. Its path is kept as a prefix. */
  readonly ingestUrl: string;
  /** The summary service. Default: `ingestUrl` (`siddes-telemetry up` serves both). */
  readonly summaryUrl?: string | undefined;
  /** The only cookie that is forwarded, as one cookie or in chunks. Default: sessionid. */
  readonly sessionCookie?: string | undefined;
  /** Forwards the dev viewer too: cookie sd_viewer, header x-sd-viewer. Default: false. */
  readonly development?: boolean | undefined;
  /** Other origins whose pages may post, as browsers write them. Default: none. */
  readonly origins?: readonly string[] | undefined;
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined;
  /** The time limit for a complete upstream response, in milliseconds. Default: 12000. */
  readonly timeoutMs?: number | undefined;
}
