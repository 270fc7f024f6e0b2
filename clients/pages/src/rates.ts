// Rates over the suggestions shown, each with its confidence interval.

import type { Counts, EventInfo, EventPart } from "./api";
import { type Interval, wilsonInterval } from "./wilson-interval";

export const RATE_PARTS = ["accept", "skip", "edit", "undo"] as const satisfies readonly EventPart[];
export type RatePart = (typeof RATE_PARTS)[number];

const MIN_SHOWN = 5; // with fewer the interval covers nearly everything: a percentage would mislead

/** numerator over denominator; `value`, `low` and `high` are fractions (0.5 is 50 %). */
export type Rate = { readonly part: RatePart; readonly numerator: number; readonly denominator: number } & (
  | { readonly kind: "too-few" }
  | { readonly kind: "above-one"; readonly value: number }
  | ({ readonly kind: "interval"; readonly value: number } & Interval)
);

/** One rate per part the registry has events for; none without a `shown` event. Events of one part are summed. */
export function rates(registry: readonly EventInfo[], counts: Counts): readonly Rate[] {
  const has = (part: EventPart) => registry.some((event) => event.part === part);
  const sum = (part: EventPart) =>
    registry.filter((event) => event.part === part).reduce((total, event) => total + (counts[event.name] ?? 0), 0);
  const denominator = sum("shown");
  return RATE_PARTS.filter((part) => has("shown") && has(part)).map((part) => rate(part, sum(part), denominator));
}

function rate(part: RatePart, numerator: number, denominator: number): Rate {
  const base = { part, numerator, denominator };
  if (denominator < MIN_SHOWN) return { ...base, kind: "too-few" };
  const value = numerator / denominator;
  if (value > 1) return { ...base, kind: "above-one", value };
  return { ...base, kind: "interval", value, ...wilsonInterval(numerator, denominator) };
}
