// What the dashboard shows, as one table in CSV (RFC 4180): a line a count, a rate, or a day and event.

import type { Counts, EventInfo, Step } from "./answers";
import { rates } from "./rates";

type Cell = string | number;
const HEADER = ["kind", "day", "name", "value", "numerator", "denominator", "low_95", "high_95"];

/** The table. Days are UTC; rates and their limits are fractions, empty where there is not enough data. */
export function csv(registry: readonly EventInfo[], counts: Counts, steps: readonly Step[]): string {
  const names = registry.map((event) => event.name);
  const lines: Cell[][] = [
    HEADER,
    ...names.map((name) => ["count", "", name, counts[name] ?? 0, "", "", "", ""]),
    ...rates(registry, counts).map((rate) => {
      const [low, high] = rate.kind === "interval" ? [fraction(rate.low), fraction(rate.high)] : ["", ""];
      const value = rate.kind === "too few" ? "" : fraction(rate.value);
      return ["rate", "", rate.part, value, rate.numerator, rate.denominator, low, high];
    }),
    ...steps.flatMap((step) =>
      names.map((name) => ["day", step.start.slice(0, 10), name, step.counts[name] ?? 0, "", "", "", ""]),
    ),
  ];
  return lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

export function fileName(days: number, at: Date): string {
  return `siddes-telemetry-${days}d-${at.toISOString().slice(0, 10)}.csv`;
}

const fraction = (value: number): string => value.toFixed(4);

/** One cell. A spreadsheet would run text that begins like a formula, so that gets a quote before it (OWASP, CSV injection). */
export function cell(value: Cell): string {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
