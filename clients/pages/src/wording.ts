// How figures read. The pages are in English, so numbers and dates are too, whatever the browser's own language.

import type { Counts, Step } from "./answers";
import type { Rate } from "./rates";

const WHOLE = new Intl.NumberFormat("en");
const PERCENT = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
const CLOCK = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

export const number = (value: number): string => WHOLE.format(value);
export const percent = (fraction: number): string => PERCENT.format(fraction);
/** The UTC day that a step begins, as in "Nov 16". */
export const dayOf = (step: Step): string => DAY.format(new Date(step.start));
/** The time of day where the reader is. */
export const clock = (moment: Date): string => CLOCK.format(moment);

/** The large figure of a rate. */
export function headlineOf(rate: Rate): string {
  return rate.kind === "too few" ? "–" : percent(rate.value);
}

export function fractionOf(rate: Rate): string {
  return `${number(rate.numerator)} / ${number(rate.denominator)} shown`;
}

/** How sure one can be of a rate, or why it cannot be said. */
export function certaintyOf(rate: Rate): string {
  switch (rate.kind) {
    case "too few":
      return "Not enough data: fewer than 5 shown";
    case "beyond one":
      return "No interval: more than were shown, as a tray acts without showing";
    case "interval":
      return `95% interval: ${percent(rate.low)} to ${percent(rate.high)}`;
  }
}

/** A chart in a sentence, for those who do not see it. */
export function summaryOf(steps: readonly Step[], names: readonly string[]): string {
  const totals = steps.map((step) => totalOf(step.counts, names));
  const all = totals.reduce((sum, total) => sum + total, 0);
  if (all === 0) return `Bar chart by day: no counts in ${steps.length} days.`;
  const most = totals.indexOf(Math.max(...totals));
  const last = totals.at(-1) ?? 0;
  const top = steps[most];
  return (
    `Bar chart by day, ${steps.length} days: ${number(all)} in all` +
    `${top ? `, most on ${dayOf(top)} (${number(totals[most] ?? 0)})` : ""}, ${number(last)} today so far. ` +
    "The table below has each day."
  );
}

export function totalOf(counts: Counts, names: readonly string[]): number {
  return names.reduce((total, name) => total + (counts[name] ?? 0), 0);
}
