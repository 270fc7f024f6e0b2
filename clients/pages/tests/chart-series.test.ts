import { expect, test } from "vitest";
import type { EventInfo } from "../src/api";
import { chartSeries, huesOf, stepsBySeries } from "../src/chart-series";
import { event } from "./registry-of";

const many: readonly EventInfo[] = Array.from({ length: 127 }, (_, index) => event(`e${index}`));
const day = (counts: Record<string, number>) => ({ start: "2026-11-16T00:00:00Z", counts });

test("an event has its colour by its place in a registry of eight, whatever else was counted", () => {
  const series = chartSeries(many.slice(0, 8), [day({ e2: 1 }), day({ e7: 1 })]);
  expect(series.map(({ key, label, hue }) => [key, label, hue])).toEqual([
    ["e2", "E2", "2"],
    ["e7", "E7", "7"],
  ]);
});

test("few counted events of many have different colours", () => {
  const series = chartSeries(many, [day(Object.fromEntries([0, 8, 16, 24, 32, 40, 48, 56].map((n) => [`e${n}`, 1])))]);
  expect(series.map(({ hue }) => hue)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
  expect(series.map(({ key }) => key)).toEqual(["e0", "e8", "e16", "e24", "e32", "e40", "e48", "e56"]);
});

test("of many counted events the seven with the highest totals stand alone, and no count is lost", () => {
  const first = day(Object.fromEntries(many.map(({ name }, index) => [name, index + 1])));
  const steps = [first, day({ e0: 1000 })];
  const series = chartSeries(many, steps);
  expect(series.map(({ key }) => key)).toEqual(["e0", "e121", "e122", "e123", "e124", "e125", "e126", ""]);
  expect(series.at(-1)).toMatchObject({ label: "120 other events", hue: "7" });
  expect(huesOf(series).size).toBe(127);
  const sums = stepsBySeries(steps, series).map(({ counts }) => Object.values(counts).reduce((sum, n) => sum + n, 0));
  expect(sums).toEqual([(127 * 128) / 2, 1000]);
});

test("a retired event is marked", () => {
  expect(chartSeries([event("old", true)], [day({ old: 1 })])).toMatchObject([{ key: "old", label: "OLD (retired)" }]);
});
