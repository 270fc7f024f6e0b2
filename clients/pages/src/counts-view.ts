// The table of counts: one row per event with its label, name, bar and count.

import type { Counts, EventInfo } from "./api";
import { el, ensureChildren, setAttributes, setHidden, setProperty, setText } from "./dom";
import { formatNumber } from "./format";
import { isSought } from "./registry";

/** What a page adds to each row, between the event and its count. */
export interface RowControls {
  make(): HTMLTableCellElement;
  paint(cell: HTMLElement, event: EventInfo): void;
}

export interface CountsOptions {
  /** The palette index of an event's bar. */
  hueOf(event: EventInfo, index: number): string;
  /** What was typed into the field "Find an event". */
  readonly search: string;
  readonly controls?: RowControls;
}

/** Paints the table. Without `counts` each is a dash. An event that is not sought keeps its row, hidden. */
export function paintCounts(
  body: HTMLTableSectionElement,
  events: readonly EventInfo[],
  counts: Counts | undefined,
  { hueOf, search, controls }: CountsOptions,
): void {
  const highest = Math.max(1, ...events.map((event) => counts?.[event.name] ?? 0));
  const rows = ensureChildren(body, events.length, () => makeRow(controls));
  events.forEach((event, index) => {
    const row = rows[index];
    const parts = row?.querySelectorAll<HTMLElement>(".label, .name, .retired, .meaning, .bar, .figure");
    const [label, name, retired, meaning, bar, figure] = parts ?? [];
    if (!row || !label || !name || !retired || !meaning || !bar || !figure) return;
    const count = counts?.[event.name] ?? 0;
    setHidden(row, !isSought(event, search));
    setText(label, event.label);
    setText(name, event.name);
    setHidden(retired, !event.retired);
    setText(meaning, event.meaning);
    setAttributes(bar, { "data-hue": hueOf(event, index) });
    setProperty(bar, "--share", count / highest);
    setText(figure, counts ? formatNumber(count) : "–");
    const cell = row.querySelector<HTMLElement>(".controls");
    if (cell) controls?.paint(cell, event);
  });
}

function makeRow(controls?: RowControls): HTMLTableRowElement {
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      el("span", { class: "label" }),
      " ",
      el("code", { class: "name" }),
      " ",
      el("span", { class: "retired mark" }, "retired"),
      el("span", { class: "meaning" }),
      el("span", { class: "bar", "aria-hidden": "true" }),
    ),
    ...(controls ? [controls.make()] : []),
    el("td", { class: "figure" }),
  );
}
