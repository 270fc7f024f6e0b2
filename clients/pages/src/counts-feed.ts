// Polls the API for one viewer's counts. Both pages render the snapshot that each poll produces.

import { type ApiResult, type Counts, parseCounts, parseRegistry, parseSeries, type Registry, type Step } from "./api";
import { type Poller, type PollingEnvironment, pollDelayMs, startPolling } from "./polling";
import { type SessionStatus, sessionStatus } from "./session-status";

/** The counts that one poll read. `steps` is empty where the page does not ask for the series. */
export interface QueryResult {
  readonly days: number;
  readonly readAt: Date;
  readonly counts: Counts;
  readonly steps: readonly Step[];
}

/** While `status` is unavailable or rate-limited, `result` is that of an earlier poll. */
export interface Snapshot {
  readonly status: SessionStatus;
  /** Undefined until it was read. */
  readonly registry: Registry | undefined;
  readonly result: QueryResult | undefined;
}

export interface FeedEnvironment extends PollingEnvironment {
  /** Requests `path`; resolves to UNAVAILABLE instead of rejecting. */
  get(path: string, signal: AbortSignal): Promise<ApiResult>;
  random(): number;
  devViewer(): string | undefined;
}

export interface CountsFeed extends Poller {
  /** Drops the counts and polls at once: they may be another viewer's. */
  viewerChanged(): void;
}

export interface FeedOptions {
  /** The window to ask for, read before each poll. */
  readonly windowDays: () => number;
  /** Whether to ask for the counts by day as well. */
  readonly withSeries: boolean;
}

const SIGNED_OUT_TTL_MS = 30_000; // browsers log every 401 to the console: /api/auth/me is not asked in every poll

const ME_URL = "/api/auth/me";
const SUMMARY_URL = "/api/telemetry/summary";
const SERIES_URL = "/api/telemetry/series";
export const EVENTS_URL = "/developer/telemetry/events.json";

/** Calls `show` at once and after each poll. */
export function startCountsFeed(
  environment: FeedEnvironment,
  { windowDays, withSeries }: FeedOptions,
  show: (snapshot: Snapshot) => void,
): CountsFeed {
  let snapshot: Snapshot = { status: { kind: "loading" }, registry: undefined, result: undefined };
  let failures = 0;
  // The last 401 of /api/auth/me, when it came, and how the summary was answered then.
  let signedOut: { me: ApiResult; at: number; summary: ApiResult["kind"] } | undefined;

  async function poll(signal: AbortSignal): Promise<number> {
    const days = windowDays();
    const cached = signedOut && environment.now() - signedOut.at < SIGNED_OUT_TTL_MS ? signedOut : undefined;
    let me = cached?.me ?? (await environment.get(ME_URL, signal));
    const getUnlessRefused = (path: string) => (isRetriable(me) ? me : environment.get(path, signal));
    const [summary, series, events] = await Promise.all([
      getUnlessRefused(`${SUMMARY_URL}?days=${days}`),
      withSeries ? getUnlessRefused(`${SERIES_URL}?days=${days}&interval=day`) : undefined,
      // after an outage too: the server may have come back with another registry
      !snapshot.registry || failures > 0 ? getUnlessRefused(EVENTS_URL) : undefined,
    ]);
    const isStale = cached && cached.summary !== summary.kind;
    if (isStale) me = await environment.get(ME_URL, signal);
    if (signal.aborted) return 0; // a later poll replaced this one
    const at = cached && !isStale ? cached.at : environment.now();
    signedOut = me.kind === "unauthenticated" ? { me, at, summary: summary.kind } : undefined;
    const registry = events?.kind === "ok" ? parseRegistry(events.body) : snapshot.registry;
    const status = sessionStatus(me, summary, environment.devViewer());
    const result = queryResult(days, new Date(environment.now()), summary, series);
    const hasViewer = status.kind === "session" || status.kind === "dev-viewer";
    if (hasViewer && result && registry) {
      failures = 0;
      snapshot = { status, registry, result };
    } else if (hasViewer || status.kind === "unavailable" || status.kind === "rate-limited") {
      failures += 1;
      const kind = status.kind === "rate-limited" || series?.kind === "rate-limited" ? "rate-limited" : "unavailable";
      snapshot = { status: { kind }, registry, result: snapshot.result };
    } else {
      failures = 0;
      snapshot = { status, registry, result: undefined };
    }
    show(snapshot);
    const retryAfters = [me, summary, series, events].map((each) => (each && isRetriable(each) ? each.retryAfterS : 0));
    return pollDelayMs(failures, Math.max(...retryAfters), environment.random());
  }

  show(snapshot);
  const poller = startPolling(poll, environment);
  return {
    pollNow: poller.pollNow,
    visibilityChanged() {
      signedOut = undefined; // the user may have signed in in another tab
      poller.visibilityChanged();
    },
    viewerChanged() {
      signedOut = undefined;
      snapshot = { ...snapshot, status: { kind: "loading" }, result: undefined };
      show(snapshot);
      poller.pollNow();
    },
  };
}

function isRetriable(result: ApiResult): result is Extract<ApiResult, { retryAfterS: number }> {
  return result.kind === "unavailable" || result.kind === "rate-limited";
}

/** Undefined where the summary or the series is missing: the two are shown together or not at all. */
function queryResult(
  days: number,
  readAt: Date,
  summary: ApiResult,
  series: ApiResult | undefined,
): QueryResult | undefined {
  const counts = summary.kind === "ok" ? parseCounts(summary.body) : undefined;
  const steps = series === undefined ? [] : series.kind === "ok" ? parseSeries(series.body) : undefined;
  return counts && steps ? { days, readAt, counts, steps } : undefined;
}
