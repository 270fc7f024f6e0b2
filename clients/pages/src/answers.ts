// What the server says, read defensively: a page works with what it could read or with nothing, never with half of it.

export type Part = "shown" | "accept" | "skip" | "edit" | "undo" | "none";
export type Counts = Readonly<Record<string, number>>;

/** One event of the operator's registry (/developer/telemetry/events.json). */
export interface EventInfo {
  readonly name: string;
  readonly part: Part;
  readonly meaning: string;
}

/** What one step of the series holds; `start` is UTC, as in "2026-11-16T00:00:00Z". */
export interface Step {
  readonly start: string;
  readonly counts: Counts;
}

/** An answer sorted by what a page does about it. `retryAfterS` is the server's wish in seconds. */
export type Answer =
  | { readonly kind: "ok"; readonly body: unknown }
  | { readonly kind: "unauthenticated" }
  | { readonly kind: "disabled" }
  | { readonly kind: "limited"; readonly retryAfterS: number }
  | { readonly kind: "away"; readonly retryAfterS: number };

export const AWAY: Answer = { kind: "away", retryAfterS: 0 };
const MAX_RETRY_AFTER_S = 600; // a page that somebody looks at should not sleep for longer on one header's word
const PARTS: readonly string[] = ["shown", "accept", "skip", "edit", "undo", "none"] satisfies Part[];

/** Sorts an answer. `retryAfter` is the header (RFC 9110 section 10.2.3, seconds only), null where absent. */
export function sortAnswer(status: number, retryAfter: string | null, body: unknown): Answer {
  if (status === 200 && isObject(body)) return { kind: "ok", body };
  if (status === 401) return { kind: "unauthenticated" };
  if (status === 404 && isObject(body) && body.error === "telemetry_disabled") return { kind: "disabled" };
  return {
    kind: status === 429 ? "limited" : "away",
    retryAfterS: /^\d{1,9}$/.test(retryAfter ?? "") ? Math.min(Number(retryAfter), MAX_RETRY_AFTER_S) : 0,
  };
}

export function readViewer(body: unknown): string | undefined {
  return isObject(body) && typeof body.viewer_id === "string" ? body.viewer_id : undefined;
}

export function readRegistry(body: unknown): readonly EventInfo[] | undefined {
  if (!isObject(body) || !Array.isArray(body.events)) return undefined;
  return body.events.every(isEventInfo) ? body.events : undefined;
}

export function readCounts(body: unknown): Counts | undefined {
  return isObject(body) && isCounts(body.counts) ? body.counts : undefined;
}

export function readSeries(body: unknown): readonly Step[] | undefined {
  if (!isObject(body) || !Array.isArray(body.series)) return undefined;
  return body.series.every(isStep) ? body.series : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEventInfo(value: unknown): value is EventInfo {
  return (
    isObject(value) &&
    typeof value.name === "string" &&
    typeof value.meaning === "string" &&
    typeof value.part === "string" &&
    PARTS.includes(value.part)
  );
}

function isCounts(value: unknown): value is Counts {
  return isObject(value) && Object.values(value).every((count) => Number.isSafeInteger(count) && Number(count) >= 0);
}

function isStep(value: unknown): value is Step {
  return (
    isObject(value) &&
    typeof value.start === "string" &&
    !Number.isNaN(Date.parse(value.start)) &&
    isCounts(value.counts)
  );
}
