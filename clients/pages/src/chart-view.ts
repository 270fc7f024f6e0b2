// Draws the chart by day: bars, a legend that toggles series, and a table of the same counts.

import type { EventInfo, Step } from "./api";
import { type Bar, CHART_HEIGHT, type Layout, layoutChart } from "./chart-layout";
import { type Series, stepsBySeries } from "./chart-series";
import { button, byId, el, ensureChildren, setAttributes, setText, svg } from "./dom";
import { chartSummary, formatDay, formatNumber } from "./format";
import { markedLabel } from "./registry";

/** Returns a function that paints the chart. It also redraws when its width or the legend changes. */
export function chartView(): (series: readonly Series[], steps: readonly Step[]) => void {
  const picture = byId("chart", SVGSVGElement);
  const legend = byId("legend", HTMLUListElement);
  const [grid, columns, axis] = [svg("g", { class: "grid" }), svg("g"), svg("g", { class: "axis" })];
  picture.append(grid, columns, axis);
  const off = new Set<string>();
  let latest: { series: readonly Series[]; steps: readonly Step[] } = { series: [], steps: [] };

  function draw(): void {
    const { series, steps } = latest;
    const keys = series.map(({ key }) => key).filter((key) => !off.has(key));
    const width = Math.floor(picture.parentElement?.clientWidth ?? 0);
    const layout = layoutChart(steps, keys, width);
    setAttributes(picture, { viewBox: `0 0 ${width} ${CHART_HEIGHT}`, width, height: CHART_HEIGHT });
    setAttributes(picture, { "aria-label": chartSummary(steps, keys) });
    paintGrid(grid, axis, layout);
    const groups = ensureChildren(columns, layout.bars.length, makeColumn);
    layout.bars.forEach((bar, index) => {
      const group = groups[index];
      if (group) paintColumn(group, bar, layout, series);
    });
  }

  function paintLegend(): void {
    const chips = ensureChildren(legend, latest.series.length, makeChip);
    latest.series.forEach(({ key, label, hue }, index) => {
      const chip = chips[index]?.firstElementChild;
      if (!chip) return;
      setText(chip, label);
      setAttributes(chip, { value: key, "data-hue": hue, "aria-pressed": String(!off.has(key)) });
    });
  }

  function makeChip(): HTMLLIElement {
    const chip = button("", () => toggle(chip.value), { class: "chip" });
    return el("li", {}, chip);
  }

  function toggle(key: string): void {
    if (!off.delete(key)) off.add(key);
    paintLegend();
    draw();
  }

  if (picture.parentElement) new ResizeObserver(draw).observe(picture.parentElement);
  return (series, steps) => {
    latest = { series, steps: stepsBySeries(steps, series) };
    paintLegend();
    draw();
  };
}

function paintGrid(grid: SVGGElement, axis: SVGGElement, layout: Layout): void {
  const lines = ensureChildren(grid, layout.ticks.length, () => svg("line"));
  const values = ensureChildren(axis, layout.ticks.length, () => svg("text", { "text-anchor": "end", dy: "0.32em" }));
  layout.ticks.forEach(({ value, y }, index) => {
    const [line, text] = [lines[index], values[index]];
    if (!line || !text) return;
    setAttributes(line, { x1: layout.left, x2: layout.right, y1: y, y2: y });
    setAttributes(text, { x: layout.left - 8, y });
    setText(text, formatNumber(value));
  });
}

/** A column: a background that takes the pointer, the label of the day, and the stack. */
function makeColumn(): SVGGElement {
  const ground = svg("rect", { class: "ground" }, svg("title"));
  return svg("g", {}, ground, svg("text", { "text-anchor": "middle" }), svg("g"));
}

function paintColumn(group: SVGGElement, bar: Bar, layout: Layout, series: readonly Series[]): void {
  const [ground, label, stack] = Array.from(group.children);
  const title = ground?.firstElementChild;
  if (!ground || !label || !stack || !title) return;
  setAttributes(group, { class: bar.inProgress ? "column in-progress" : "column" });
  setAttributes(ground, { x: bar.slot.x, y: 0, width: bar.slot.width, height: layout.base });
  const counted = series.filter(({ key }) => (bar.step.counts[key] ?? 0) > 0);
  const said = counted.map(({ key, label }) => `\n${label} ${formatNumber(bar.step.counts[key] ?? 0)}`);
  setText(
    title,
    `${formatDay(bar.step)}${bar.inProgress ? ", not over yet" : ""}${said.length > 0 ? said.join("") : "\nno counts"}`,
  );
  setAttributes(label, { x: bar.x + bar.width / 2, y: CHART_HEIGHT - 8 });
  setText(label, bar.label ?? "");
  const hues = new Map(series.map(({ key, hue }) => [key, hue]));
  const parts = ensureChildren(stack, bar.segments.length, () => svg("rect", { class: "segment" }));
  bar.segments.forEach(({ name, y, height }, index) => {
    const part = parts[index];
    if (part) setAttributes(part, { x: bar.x, y, width: bar.width, height, "data-hue": hues.get(name) ?? "" });
  });
}

/** The table below the chart, with a column for each of `events`. */
export function paintDays(events: readonly EventInfo[], steps: readonly Step[]): void {
  const heads = ensureChildren(byId("days-head", HTMLTableRowElement), events.length + 1, () =>
    el("th", { scope: "col" }),
  );
  ["Day (UTC)", ...events.map(markedLabel)].forEach((text, index) => {
    const head = heads[index];
    if (head) setText(head, text);
  });
  const rows = ensureChildren(byId("days", HTMLTableSectionElement), steps.length, () =>
    el("tr", {}, el("th", { scope: "row" })),
  );
  [...steps].reverse().forEach((step, index) => {
    const [day, ...cells] = ensureChildren(rows[index] as HTMLTableRowElement, events.length + 1, () => el("td"));
    if (day) setText(day, index === 0 ? `${formatDay(step)}, not over` : formatDay(step));
    events.forEach((event, column) => {
      const cell = cells[column];
      if (cell) setText(cell, formatNumber(step.counts[event.name] ?? 0));
    });
  });
}
