// The API's responses, parsed defensively: a body is accepted as a whole or not at all.

export type Counts = Readonly<Record<string, number>>;

/** One event of the operator's registry. The server takes a retired one no longer, but older counts are still read. */
export interface EventInfo {
  readonly name: string;
  readonly label: string;
  readonly meaning: string;
  readonly retired: boolean;
}

/** One rate of the registry; `numerator` and `denominator` are names of its events. */
export interface RateInfo {
  readonly name: string;
  readonly label: string;
  readonly numerator: string;
  readonly denominator: string;
}

/** /developer/telemetry/events.json */
export interface Registry {
  readonly events: readonly EventInfo[];
  readonly rates: readonly RateInfo[];
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

export function parseRegistry(body: unknown): Registry | undefined {
  if (!isObject(body) || !Array.isArray(body.events) || !Array.isArray(body.rates)) return undefined;
  const { events, rates } = body;
  return events.length > 0 && events.every(isEventInfo) && rates.every(isRateInfo)
    ? { events: withDistinctLabels(events), rates }
    : undefined;
}

/** A label that several events have gets the event's name beside it: a new event often takes over a retired one's. */
function withDistinctLabels(events: readonly EventInfo[]): readonly EventInfo[] {
  const isShared = ({ label }: EventInfo) => events.filter((other) => other.label === label).length > 1;
  return events.map((event) => (isShared(event) ? { ...event, label: `${event.label} (${event.name})` } : event));
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
  return isObject(value) && areStrings(value.name, value.label, value.meaning) && typeof value.retired === "boolean";
}

function isRateInfo(value: unknown): value is RateInfo {
  return isObject(value) && areStrings(value.name, value.label, value.numerator, value.denominator);
}

function areStrings(...values: readonly unknown[]): boolean {
  return values.every((value) => typeof value === "string");
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
