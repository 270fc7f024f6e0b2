// The counts of whoever is looking, kept fresh: what both pages show is a function of one snapshot.

import { type Answer, type Counts, type EventInfo, readCounts, readRegistry, readSeries, type Step } from "./answers";
import { keepAsking, type Pace, type World, waitMs } from "./pace";
import { type Standing, standing } from "./standing";

/** What was read at one moment. `steps` is empty where the page does not ask for the series. */
export interface Figures {
  readonly days: number;
  readonly at: Date;
  readonly counts: Counts;
  readonly steps: readonly Step[];
}

/** `figures` are older than `standing` while the server is away or limits how often it is asked. */
export interface Snapshot {
  readonly standing: Standing;
  readonly registry: readonly EventInfo[];
  readonly figures: Figures | undefined;
}

export interface Sources extends World {
  /** Asks the server; resolves to AWAY instead of rejecting. */
  get(path: string, signal: AbortSignal): Promise<Answer>;
  random(): number;
  cookieViewer(): string | undefined;
}

export interface Live extends Pace {
  /** Forgets the figures and asks at once: they may be another viewer's. */
  viewerChanged(): void;
}

const NOBODY_TRUST_MS = 30_000; // a browser's console has a red line for every 401: not one in each round

const ME_URL = "/api/auth/me";
export const EVENTS_URL = "/developer/telemetry/events.json";

/** Calls `show` at once and after each round of questions. `daysWanted` is asked before each; `withSeries`: by day as well. */
export function live(
  sources: Sources,
  { daysWanted, withSeries }: { daysWanted: () => number; withSeries: boolean },
  show: (snapshot: Snapshot) => void,
): Live {
  let snapshot: Snapshot = { standing: { kind: "waiting" }, registry: [], figures: undefined };
  let failures = 0;
  let nobody: { me: Answer; at: number; summary: Answer["kind"] } | undefined; // the last 401, and what went with it

  async function round(signal: AbortSignal): Promise<number> {
    const days = daysWanted();
    const trusted = nobody && sources.now() - nobody.at < NOBODY_TRUST_MS ? nobody : undefined;
    let me = trusted?.me ?? (await sources.get(ME_URL, signal));
    const ask = (path: string) => (refused(me) ? me : sources.get(path, signal));
    const [summary, series, events] = await Promise.all([
      ask(`/api/telemetry/summary?days=${days}`),
      withSeries ? ask(`/api/telemetry/series?days=${days}&interval=day`) : undefined,
      snapshot.registry.length === 0 ? ask(EVENTS_URL) : undefined,
    ]);
    const isNews = trusted && trusted.summary !== summary.kind;
    if (isNews) me = await sources.get(ME_URL, signal);
    if (signal.aborted) return 0; // nobody waits for this round any more
    const at = trusted && !isNews ? trusted.at : sources.now();
    nobody = me.kind === "unauthenticated" ? { me, at, summary: summary.kind } : undefined;
    const registry = events?.kind === "ok" ? (readRegistry(events.body) ?? []) : snapshot.registry;
    const found = standing(me, summary, sources.cookieViewer());
    const figures = figuresOf(days, new Date(sources.now()), summary, series);
    const known = found.kind === "session" || found.kind === "dev viewer";
    if (known && figures && registry.length > 0) {
      failures = 0;
      snapshot = { standing: found, registry, figures };
    } else if (known || found.kind === "away" || found.kind === "limited") {
      failures += 1;
      const kind = found.kind === "limited" || series?.kind === "limited" ? "limited" : "away";
      snapshot = { standing: { kind }, registry, figures: snapshot.figures };
    } else {
      failures = 0;
      snapshot = { standing: found, registry, figures: undefined };
    }
    show(snapshot);
    const wishes = [me, summary, series, events].map((answer) => (answer && refused(answer) ? answer.retryAfterS : 0));
    return waitMs(failures, Math.max(...wishes), sources.random());
  }

  show(snapshot);
  const pace = keepAsking(round, sources);
  return {
    now: pace.now,
    visibilityChanged() {
      nobody = undefined; // somebody may have signed in elsewhere
      pace.visibilityChanged();
    },
    viewerChanged() {
      nobody = undefined;
      snapshot = { ...snapshot, standing: { kind: "waiting" }, figures: undefined };
      show(snapshot);
      pace.now();
    },
  };
}

/** Not now; perhaps later. */
function refused(answer: Answer): answer is Extract<Answer, { retryAfterS: number }> {
  return answer.kind === "away" || answer.kind === "limited";
}

function figuresOf(days: number, at: Date, summary: Answer, series: Answer | undefined): Figures | undefined {
  const counts = summary.kind === "ok" ? readCounts(summary.body) : undefined;
  const steps = series === undefined ? [] : series.kind === "ok" ? readSeries(series.body) : undefined;
  return counts && steps ? { days, at, counts, steps } : undefined;
}
