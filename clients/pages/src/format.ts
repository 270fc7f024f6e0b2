// Formats numbers, dates and rates as text. The pages are in English, so the browser's language is ignored.

import type { Counts, Step } from "./api";
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

export const formatNumber = (value: number): string => WHOLE.format(value);
export const formatPercent = (fraction: number): string => PERCENT.format(fraction);
/** The UTC day on which a step starts, as in "Nov 16". */
export const formatDay = (step: Step): string => DAY.format(new Date(step.start));
/** The time of day in the browser's time zone. */
export const formatTime = (moment: Date): string => CLOCK.format(moment);

/** The percentage of a rate, a dash where there is too little data. */
export function rateHeadline(rate: Rate): string {
  return rate.kind === "too-few" ? "–" : formatPercent(rate.value);
}

export function rateFraction(rate: Rate): string {
  return `${formatNumber(rate.numerator)} / ${formatNumber(rate.denominator)}`;
}

/** What the fraction of a rate divides. */
export function rateEvents({ events }: Rate): string {
  return `${events.numerator} / ${events.denominator}`;
}

/** The interval of a rate, or why it has none. */
export function rateCertainty(rate: Rate): string {
  switch (rate.kind) {
    case "too-few":
      return "Not enough data: the denominator is below 5";
    case "above-one":
      return "No interval: the numerator is the larger one";
    case "interval":
      return `95% interval: ${formatPercent(rate.low)} to ${formatPercent(rate.high)}`;
  }
}

/** The chart as a sentence, for screen readers. */
export function chartSummary(steps: readonly Step[], names: readonly string[]): string {
  const totals = steps.map((step) => totalCount(step.counts, names));
  const all = totals.reduce((sum, total) => sum + total, 0);
  if (all === 0) return `Bar chart by day: no counts in ${steps.length} days.`;
  const most = totals.indexOf(Math.max(...totals));
  const last = totals.at(-1) ?? 0;
  const top = steps[most];
  return (
    `Bar chart by day, ${steps.length} days: ${formatNumber(all)} in all` +
    `${top ? `, most on ${formatDay(top)} (${formatNumber(totals[most] ?? 0)})` : ""}, ${formatNumber(last)} today so far. ` +
    "The table below has each day."
  );
}

export function totalCount(counts: Counts, names: readonly string[]): number {
  return names.reduce((total, name) => total + (counts[name] ?? 0), 0);
}
