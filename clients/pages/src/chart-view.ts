// Draws the chart by day: bars, a legend that toggles events, and a table of the same counts.

import type { EventInfo, Step } from "./api";
import { type Bar, CHART_HEIGHT, type Layout, layoutChart } from "./chart-layout";
import { hue } from "./counts-view";
import { button, byId, el, ensureChildren, setAttributes, setText, svg } from "./dom";
import { chartSummary, formatDay, formatNumber } from "./format";

/** Returns a function that paints the chart. It also redraws when its width or the legend changes. */
export function chartView(): (registry: readonly EventInfo[], steps: readonly Step[]) => void {
  const picture = byId("chart", SVGSVGElement);
  const legend = byId("legend", HTMLUListElement);
  const [grid, columns, axis] = [svg("g", { class: "grid" }), svg("g"), svg("g", { class: "axis" })];
  picture.append(grid, columns, axis);
  const off = new Set<string>();
  let latest: { registry: readonly EventInfo[]; steps: readonly Step[] } = { registry: [], steps: [] };

  function draw(): void {
    const { registry, steps } = latest;
    const names = registry.map((event) => event.name).filter((name) => !off.has(name));
    const width = Math.floor(picture.parentElement?.clientWidth ?? 0);
    const layout = layoutChart(steps, names, width);
    setAttributes(picture, { viewBox: `0 0 ${width} ${CHART_HEIGHT}`, width, height: CHART_HEIGHT });
    setAttributes(picture, { "aria-label": chartSummary(steps, names) });
    paintGrid(grid, axis, layout);
    const hues = new Map(registry.map((event, index) => [event.name, hue(index)]));
    const groups = ensureChildren(columns, layout.bars.length, makeColumn);
    layout.bars.forEach((bar, index) => {
      const group = groups[index];
      if (group) paintColumn(group, bar, layout, hues);
    });
  }

  function paintLegend(): void {
    const items = ensureChildren(legend, latest.registry.length, () => {
      const item = el(
        "li",
        {},
        button("", () => toggle(item.textContent ?? ""), { class: "chip" }),
      );
      return item;
    });
    latest.registry.forEach(({ name }, index) => {
      const chip = items[index]?.firstElementChild;
      if (!chip) return;
      setText(chip, name);
      setAttributes(chip, { "data-hue": hue(index), "aria-pressed": String(!off.has(name)) });
    });
  }

  function toggle(name: string): void {
    if (!off.delete(name)) off.add(name);
    paintLegend();
    draw();
  }

  if (picture.parentElement) new ResizeObserver(draw).observe(picture.parentElement);
  return (registry, steps) => {
    latest = { registry, steps };
    paintLegend();
    draw();
    paintTable(registry, steps);
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

function paintColumn(group: SVGGElement, bar: Bar, layout: Layout, hues: ReadonlyMap<string, string>): void {
  const [ground, label, stack] = Array.from(group.children);
  const title = ground?.firstElementChild;
  if (!ground || !label || !stack || !title) return;
  setAttributes(group, { class: bar.inProgress ? "column in-progress" : "column" });
  setAttributes(ground, { x: bar.slot.x, y: 0, width: bar.slot.width, height: layout.base });
  const said = Object.entries(bar.step.counts).map(([name, count]) => `\n${name} ${formatNumber(count)}`);
  setText(
    title,
    `${formatDay(bar.step)}${bar.inProgress ? ", not over yet" : ""}${said.length > 0 ? said.join("") : "\nno counts"}`,
  );
  setAttributes(label, { x: bar.x + bar.width / 2, y: CHART_HEIGHT - 8 });
  setText(label, bar.label ?? "");
  const parts = ensureChildren(stack, bar.segments.length, () => svg("rect", { class: "segment" }));
  bar.segments.forEach(({ name, y, height }, index) => {
    const part = parts[index];
    if (part) setAttributes(part, { x: bar.x, y, width: bar.width, height, "data-hue": hues.get(name) ?? "" });
  });
}

function paintTable(registry: readonly EventInfo[], steps: readonly Step[]): void {
  const names = ensureChildren(byId("days-head", HTMLTableRowElement), registry.length + 1, () =>
    el("th", { scope: "col" }),
  );
  ["Day (UTC)", ...registry.map((event) => event.name)].forEach((text, index) => {
    const name = names[index];
    if (name) setText(name, text);
  });
  const rows = ensureChildren(byId("days", HTMLTableSectionElement), steps.length, () =>
    el("tr", {}, el("th", { scope: "row" })),
  );
  [...steps].reverse().forEach((step, index) => {
    const [day, ...cells] = ensureChildren(rows[index] as HTMLTableRowElement, registry.length + 1, () => el("td"));
    if (day) setText(day, index === 0 ? `${formatDay(step)}, not over` : formatDay(step));
    registry.forEach((event, column) => {
      const cell = cells[column];
      if (cell) setText(cell, formatNumber(step.counts[event.name] ?? 0));
    });
  });
}
