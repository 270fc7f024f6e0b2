// The table of counts: one row per event with its name, bar and count.

import type { Counts, EventInfo } from "./api";
import { el, ensureChildren, setAttributes, setProperty, setText } from "./dom";
import { formatNumber } from "./format";

const HUES = 8; // in the palette of pages.css; with more events colours repeat, and the names tell them apart

/** The palette index of an event. */
export const hue = (index: number): string => String(index % HUES);

export function paintCounts(body: HTMLTableSectionElement, registry: readonly EventInfo[], counts: Counts): void {
  const highest = Math.max(1, ...registry.map((event) => counts[event.name] ?? 0));
  const rows = ensureChildren(body, registry.length, makeRow);
  registry.forEach((event, index) => {
    const [name, meaning, bar, figure] =
      rows[index]?.querySelectorAll<HTMLElement>(".name, .meaning, .bar, .figure") ?? [];
    if (!name || !meaning || !bar || !figure) return;
    const count = counts[event.name] ?? 0;
    setText(name, event.name);
    setText(meaning, event.meaning);
    setAttributes(bar, { "data-hue": hue(index) });
    setProperty(bar, "--share", count / highest);
    setText(figure, formatNumber(count));
  });
}

function makeRow(): HTMLTableRowElement {
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      el("span", { class: "name" }),
      el("span", { class: "meaning" }),
      el("span", { class: "bar", "aria-hidden": "true" }),
    ),
    el("td", { class: "figure" }),
  );
}
