import { describe, expect, test } from "vitest";
import type { Counts, Step } from "../src/api";
import { CHART_HEIGHT, layoutChart, ticks } from "../src/chart-layout";
import { chartSummary } from "../src/format";

function days(...counts: Counts[]): Step[] {
  return counts.map((each, index) => ({
    start: `2026-11-${String(index + 1).padStart(2, "0")}T00:00:00Z`,
    counts: each,
  }));
}

describe("ticks", () => {
  test.each([
    [0, [0, 1]],
    [1, [0, 1]],
    [3, [0, 1, 2, 3]],
    [7, [0, 2, 4, 6, 8]],
    [11, [0, 5, 10, 15]],
    [95, [0, 25, 50, 75, 100]],
    [1000, [0, 250, 500, 750, 1000]],
  ])("up to %i are %j", (max, expected) => {
    expect(ticks(max)).toEqual(expected);
  });

  test("are whole, begin at 0, reach the largest and are at most six, for any count", () => {
    for (let max = 0; max < 200_000; max = Math.ceil(max * 1.07 + 1)) {
      const values = ticks(max);
      expect(values.every(Number.isInteger)).toBe(true);
      expect(values[0]).toBe(0);
      expect(values.at(-1)).toBeGreaterThanOrEqual(max);
      expect(values.length).toBeLessThanOrEqual(6);
    }
  });
});

describe("a layout", () => {
  const layout = layoutChart(days({ a: 4, b: 2, c: 2 }, {}, { b: 4 }), ["a", "b", "c"], 600);

  test("stacks events in order from the base, by their counts", () => {
    const [a, b, c] = layout.bars[0]?.segments ?? [];
    const unit = (layout.base - (layout.ticks.at(-1)?.y ?? 0)) / 8;
    expect([a?.name, b?.name, c?.name]).toEqual(["a", "b", "c"]);
    expect((a?.y ?? 0) + (a?.height ?? 0)).toBeCloseTo(layout.base);
    expect(a?.height).toBeCloseTo(4 * unit);
    expect(b?.y).toBeCloseTo(layout.base - 6 * unit);
    expect(c?.y).toBeCloseTo(layout.base - 8 * unit);
  });

  test("leaves out what is switched off, and rescales", () => {
    const only = layoutChart(days({ a: 600, b: 2 }), ["b"], 600);
    expect(only.bars[0]?.segments.map((segment) => segment.name)).toEqual(["b"]);
    expect(only.ticks.at(-1)?.value).toBe(2);
  });

  test("marks today alone as not over", () => {
    expect(layout.bars.map((bar) => bar.inProgress)).toEqual([false, false, true]);
  });

  test.each([
    288, 375, 700, 1100,
  ])("keeps 31 days within %i pixels, with names that do not touch, today's among them", (width) => {
    const month = layoutChart(days(...Array.from({ length: 31 }, () => ({ a: 1 }))), ["a"], width);
    for (const bar of month.bars) {
      expect(bar.x).toBeGreaterThanOrEqual(month.left);
      expect(bar.x + bar.width).toBeLessThanOrEqual(width);
      for (const { y, height } of bar.segments) expect(y >= 0 && y + height <= CHART_HEIGHT).toBe(true);
    }
    const named = month.bars.filter((bar) => bar.label !== undefined);
    expect(named.at(-1)?.label).toBe("Today");
    named.slice(1).forEach((bar, index) => {
      expect(bar.x - (named[index]?.x ?? 0)).toBeGreaterThanOrEqual(50);
    });
  });

  test("leaves room for the axis of large counts, separators and all", () => {
    const room = (count: number) => layoutChart(days({ a: count }), ["a"], 600).left;
    expect(room(20_000_000) - room(2)).toBeGreaterThan(9 * 7); // nine more characters, each of 7 pixels or less at 12 px
  });

  test("of no days, or in no width, is empty and finite", () => {
    expect(layoutChart([], [], 0).bars).toEqual([]);
    expect(layoutChart(days({ a: 1 }), ["a"], 0).bars[0]?.width).toBeGreaterThan(0);
  });
});

test("the chart is told in a sentence", () => {
  expect(chartSummary(days({ a: 1 }, { a: 1200, hidden: 5000 }, { a: 2 }), ["a"])).toBe(
    "Bar chart by day, 3 days: 1,203 in all, most on Nov 2 (1,200), 2 today so far. The table below has each day.",
  );
  expect(chartSummary(days({}, {}), ["a"])).toBe("Bar chart by day: no counts in 2 days.");
});
