// Rates over what was shown, with how sure one can be of them.

import type { Counts, EventInfo, Part } from "./answers";

export const RATE_PARTS = ["accept", "skip", "edit", "undo"] as const satisfies readonly Part[];
export type RatePart = (typeof RATE_PARTS)[number];

const MIN_SHOWN = 5; // below it the interval covers nearly everything: a percentage would only mislead
const Z95 = 1.959963984540054; // the 97.5 % quantile of the normal distribution: 95 % two-sided

/** numerator over denominator; `value`, `low` and `high` are fractions (0.5 is 50 %). */
export type Rate = { readonly part: RatePart; readonly numerator: number; readonly denominator: number } & (
  | { readonly kind: "too few" }
  | { readonly kind: "beyond one"; readonly value: number }
  | { readonly kind: "interval"; readonly value: number; readonly low: number; readonly high: number }
);

/** The rates that a registry has events for, none without one that is shown. Events that share a part are added up. */
export function rates(registry: readonly EventInfo[], counts: Counts): readonly Rate[] {
  const has = (part: Part) => registry.some((event) => event.part === part);
  const sum = (part: Part) =>
    registry.filter((event) => event.part === part).reduce((total, event) => total + (counts[event.name] ?? 0), 0);
  const denominator = sum("shown");
  return RATE_PARTS.filter((part) => has("shown") && has(part)).map((part) => rate(part, sum(part), denominator));
}

function rate(part: RatePart, numerator: number, denominator: number): Rate {
  const of = { part, numerator, denominator };
  if (denominator < MIN_SHOWN) return { ...of, kind: "too few" };
  const value = numerator / denominator;
  if (value > 1) return { ...of, kind: "beyond one", value };
  return { ...of, kind: "interval", value, ...wilson(numerator, denominator) };
}

/**
 * The 95 % score interval of a proportion; 0 <= numerator <= denominator, denominator > 0.
 *
 * Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
 */
export function wilson(numerator: number, denominator: number): { readonly low: number; readonly high: number } {
  const p = numerator / denominator;
  const scale = 1 + Z95 ** 2 / denominator;
  const centre = (p + Z95 ** 2 / (2 * denominator)) / scale;
  const half = (Z95 / scale) * Math.sqrt((p * (1 - p)) / denominator + Z95 ** 2 / (4 * denominator ** 2));
  // At 0 and 1 the exact limits are 0 and 1; rounding would leave 1e-17.
  return { low: numerator === 0 ? 0 : centre - half, high: numerator === denominator ? 1 : centre + half };
}
