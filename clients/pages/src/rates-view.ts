// The rates: one card each, with percentage, fraction, the events that it divides, and confidence interval.

import { el, ensureChildren, setAttributes, setProperty, setText } from "./dom";
import { rateCertainty, rateEvents, rateFraction, rateHeadline } from "./format";
import type { Rate } from "./rates";

export function paintRates(parent: HTMLElement, rates: readonly Rate[]): void {
  const cards = ensureChildren(parent, rates.length, makeCard);
  rates.forEach((rate, index) => {
    const card = cards[index];
    const [title, value, fraction, events, range, words] = Array.from(card?.children ?? []);
    if (!card || !title || !value || !fraction || !events || !(range instanceof HTMLElement) || !words) return;
    setText(title, rate.label);
    setText(value, rateHeadline(rate));
    setText(fraction, rateFraction(rate));
    setText(events, rateEvents(rate));
    setText(words, rateCertainty(rate));
    setAttributes(card, { "data-kind": rate.kind });
    if (rate.kind !== "interval") return;
    setProperty(range, "--low", rate.low);
    setProperty(range, "--high", rate.high);
    setProperty(range, "--value", rate.value);
  });
}

function makeCard(): HTMLElement {
  return el(
    "article",
    { class: "card rate" },
    el("h3"),
    el("p", { class: "value" }),
    el("p", { class: "fraction" }),
    el("p", { class: "divided" }),
    el("div", { class: "range", "aria-hidden": "true" }, el("span", { class: "band" }), el("span", { class: "point" })),
    el("p", { class: "certainty" }),
  );
}
