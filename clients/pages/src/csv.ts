// The dashboard's data as one CSV table (RFC 4180): one line per count, per rate, and per day and event.

import type { Counts, Registry, Step } from "./api";
import { rates } from "./rates";
import { shownEvents } from "./registry";

type Cell = string | number;
const HEADER = ["kind", "day", "name", "value", "numerator", "denominator", "low_95", "high_95"];

/** The table, of what the dashboard shows. Days are UTC. Rates and their limits are fractions, empty where there is too little data. */
export function toCsv(registry: Registry, counts: Counts, steps: readonly Step[]): string {
  const events = shownEvents(registry, counts, steps);
  const names = events.map((event) => event.name);
  const lines: Cell[][] = [
    HEADER,
    ...names.map((name) => ["count", "", name, counts[name] ?? 0, "", "", "", ""]),
    ...rates(registry.rates, events, counts).map((rate) => {
      const [low, high] = rate.kind === "interval" ? [fraction(rate.low), fraction(rate.high)] : ["", ""];
      const value = rate.kind === "too-few" ? "" : fraction(rate.value);
      return ["rate", "", rate.name, value, rate.numerator, rate.denominator, low, high];
    }),
    ...steps.flatMap((step) =>
      names.map((name) => ["day", step.start.slice(0, 10), name, step.counts[name] ?? 0, "", "", "", ""]),
    ),
  ];
  return lines.map((line) => `${line.map(csvCell).join(",")}\r\n`).join("");
}

export function csvFileName(days: number, at: Date): string {
  return `siddes-telemetry-${days}d-${at.toISOString().slice(0, 10)}.csv`;
}

const fraction = (value: number): string => value.toFixed(4);

/** One cell. Text that a spreadsheet would run as a formula gets a quote in front (OWASP, CSV injection). */
export function csvCell(value: Cell): string {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
