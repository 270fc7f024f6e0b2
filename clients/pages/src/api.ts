// The API's responses, parsed defensively: a body is accepted as a whole or not at all.

export type EventPart = "shown" | "accept" | "skip" | "edit" | "undo" | "none";
export type Counts = Readonly<Record<string, number>>;

/** One event of the operator's registry (/developer/telemetry/events.json). */
export interface EventInfo {
  readonly name: string;
  readonly part: EventPart;
  readonly meaning: string;
}

/** The counts of one step of the series. `start` is UTC, as in "2026-11-16T00:00:00Z". */
export interface Step {
  readonly start: string;
  readonly counts: Counts;
}

/** A response, classified by how the page reacts to it. `retryAfterS` is Retry-After in seconds, 0 where absent. */
export type ApiResult =
  | { readonly kind: "ok"; readonly body: unknown }
  | { readonly kind: "unauthenticated" }
  | { readonly kind: "disabled" }
  | { readonly kind: "rate-limited"; readonly retryAfterS: number }
  | { readonly kind: "unavailable"; readonly retryAfterS: number };

export const UNAVAILABLE: ApiResult = { kind: "unavailable", retryAfterS: 0 };
const MAX_RETRY_AFTER_S = 600; // someone is looking at the page: a longer header is not obeyed
const EVENT_PARTS: readonly string[] = ["shown", "accept", "skip", "edit", "undo", "none"] satisfies EventPart[];

/** Classifies a response. `retryAfter` is the header (RFC 9110 section 10.2.3, seconds only), null where absent. */
export function classifyResponse(status: number, retryAfter: string | null, body: unknown): ApiResult {
  if (status === 200 && isObject(body)) return { kind: "ok", body };
  if (status === 401) return { kind: "unauthenticated" };
  if (status === 404 && isObject(body) && body.error === "telemetry_disabled") return { kind: "disabled" };
  return {
    kind: status === 429 ? "rate-limited" : "unavailable",
    retryAfterS: /^\d{1,9}$/.test(retryAfter ?? "") ? Math.min(Number(retryAfter), MAX_RETRY_AFTER_S) : 0,
  };
}

export function parseViewer(body: unknown): string | undefined {
  return isObject(body) && typeof body.viewer_id === "string" ? body.viewer_id : undefined;
}

export function parseRegistry(body: unknown): readonly EventInfo[] | undefined {
  if (!isObject(body) || !Array.isArray(body.events)) return undefined;
  return body.events.every(isEventInfo) ? body.events : undefined;
}

export function parseCounts(body: unknown): Counts | undefined {
  return isObject(body) && isCounts(body.counts) ? body.counts : undefined;
}

export function parseSeries(body: unknown): readonly Step[] | undefined {
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
    EVENT_PARTS.includes(value.part)
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
