// The registry's rates, each with its confidence interval.

import type { Counts, EventInfo, RateInfo } from "./api";
import { markedLabel } from "./registry";
import { type Interval, wilsonInterval } from "./wilson-interval";

const MIN_DENOMINATOR = 5; // with fewer the interval covers nearly everything: a percentage would mislead

/** numerator over denominator; `value`, `low` and `high` are fractions (0.5 is 50 %). */
export type Rate = {
  readonly name: string;
  readonly label: string;
  /** The labels of the two events. */
  readonly events: { readonly numerator: string; readonly denominator: string };
  readonly numerator: number;
  readonly denominator: number;
} & (
  | { readonly kind: "too-few" }
  | { readonly kind: "above-one"; readonly value: number }
  | ({ readonly kind: "interval"; readonly value: number } & Interval)
);

/** The rates whose events are both among `events`, those that the page shows. */
export function rates(infos: readonly RateInfo[], events: readonly EventInfo[], counts: Counts): readonly Rate[] {
  const labels = new Map(events.map((event) => [event.name, markedLabel(event)]));
  return infos.flatMap((info) => {
    const [numerator, denominator] = [labels.get(info.numerator), labels.get(info.denominator)];
    return numerator === undefined || denominator === undefined
      ? []
      : [rate(info, { numerator, denominator }, counts[info.numerator] ?? 0, counts[info.denominator] ?? 0)];
  });
}

function rate({ name, label }: RateInfo, events: Rate["events"], numerator: number, denominator: number): Rate {
  const base = { name, label, events, numerator, denominator };
  if (denominator < MIN_DENOMINATOR) return { ...base, kind: "too-few" };
  const value = numerator / denominator;
  if (value > 1) return { ...base, kind: "above-one", value };
  return { ...base, kind: "interval", value, ...wilsonInterval(numerator, denominator) };
}
