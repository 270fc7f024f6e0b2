import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { clampCount, mergeEntries, toBody } from "../src/batch";

// The server's rule; the other clients' copies are tested with them too.
const CLAMPED_COUNTS: { count: number; clamped: number }[] = JSON.parse(
  readFileSync(new URL("../../../tests/golden/clamped_count.json", import.meta.url), "utf8"),
);

describe("a count", () => {
  test.each(CLAMPED_COUNTS)("$count is clamped to $clamped", ({ count, clamped }) => {
    expect(clampCount(count)).toBe(clamped);
  });

  test.each([
    [1, 1],
    [3.9, 3],
    [50, 50],
    [51, 50],
    [0.4, 1],
    [-7, 1],
    [Number.NaN, 1],
    [Number.POSITIVE_INFINITY, 1],
    ["3" as unknown as number, 1],
    [undefined, 1],
  ])("%s is sent as %i", (given, sent) => expect(clampCount(given)).toBe(sent));
});

describe("equal events", () => {
  test("are added up", () => {
    const entries = mergeEntries([
      ["a", 2],
      ["b", 1],
      ["a", 3],
    ]);
    expect(entries).toEqual([
      ["a", 5],
      ["b", 1],
    ]);
  });

  test("are cut into entries of at most 50", () => {
    expect(mergeEntries(Array.from({ length: 50 }, () => ["a", 50] as const))).toEqual(Array(50).fill(["a", 50]));
    expect(mergeEntries(Array.from({ length: 3 }, () => ["a", 25] as const))).toEqual([
      ["a", 50],
      ["a", 25],
    ]);
  });
});

test("a batch becomes the body the batch endpoint takes", () => {
  const id = "01941f29-7c00-7aaa-8aaa-aaaaaaaaaaaa";
  expect(JSON.parse(toBody([id, [["a", 3]]]))).toEqual({ batch_id: id, events: [{ event: "a", count: 3 }] });
});
