// One row an event: its name, its bar, its number.

import type { Counts, EventInfo } from "./answers";
import { el, keep, setAttributes, setProperty, setText } from "./elements";
import { number } from "./wording";

const HUES = 8; // the palette of pages.css; an own registry with more events uses it again, and has the names beside it

/** The place of an event in the palette. */
export const hue = (index: number): string => String(index % HUES);

export function paintCounts(body: HTMLTableSectionElement, registry: readonly EventInfo[], counts: Counts): void {
  const highest = Math.max(1, ...registry.map((event) => counts[event.name] ?? 0));
  const rows = keep(body, registry.length, makeRow);
  registry.forEach((event, index) => {
    const [name, meaning, bar, figure] =
      rows[index]?.querySelectorAll<HTMLElement>(".name, .meaning, .bar, .figure") ?? [];
    if (!name || !meaning || !bar || !figure) return;
    const count = counts[event.name] ?? 0;
    setText(name, event.name);
    setText(meaning, event.meaning);
    setAttributes(bar, { "data-hue": hue(index) });
    setProperty(bar, "--share", count / highest);
    setText(figure, number(count));
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
