// The controls that count one event: a stepper and a button. They belong to a row, whatever event it shows.

import type { RowControls } from "./counts-view";
import { button, el, setAttributes, setHidden } from "./dom";

const MAX_COUNT = 50; // of one call, as the server clamps it

/** The count that a stepper's text stands for, at least 1 and at most MAX_COUNT; 1 where it is no number. */
export function stepperCount(text: string): number {
  return Math.min(Math.max(Math.trunc(Number(text)) || 1, 1), MAX_COUNT);
}

export function countControls(count: (event: string, count: number) => void): RowControls {
  function make(): HTMLTableCellElement {
    const field = el("input", { type: "number", min: "1", max: String(MAX_COUNT), value: "1", autocomplete: "off" });
    const step = (by: number) => {
      field.value = String(stepperCount(String(stepperCount(field.value) + by)));
    };
    // Out of the tab order: in the field the arrow keys do the same.
    const less = button("−", () => step(-1), { class: "less", tabindex: "-1" });
    const more = button("+", () => step(1), { class: "more", tabindex: "-1" });
    const form = el(
      "form",
      { novalidate: "" },
      el("span", { class: "stepper" }, less, field, more),
      el("button", { type: "submit" }, "Count"),
    );
    field.addEventListener("change", () => step(0));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      step(0); // Enter submits before the field has said that it changed
      count(form.dataset.event ?? "", stepperCount(field.value));
    });
    return el("td", { class: "controls" }, form);
  }

  function paint(cell: HTMLElement, { name, label, retired }: Parameters<RowControls["paint"]>[1]): void {
    const form = cell.firstElementChild;
    const [less, field, more, submit] = form?.querySelectorAll("button, input") ?? [];
    if (!(form instanceof HTMLFormElement) || !less || !field || !more || !submit) return;
    setHidden(form, retired);
    setAttributes(form, { "data-event": name });
    setAttributes(less, { "aria-label": `Less of ${label}` });
    setAttributes(field, { "aria-label": `How many of ${label}` });
    setAttributes(more, { "aria-label": `More of ${label}` });
    setAttributes(submit, { "aria-label": `Count ${label}` });
  }

  return { make, paint };
}
