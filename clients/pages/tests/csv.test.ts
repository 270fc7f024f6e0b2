import { expect, test } from "vitest";
import { csvCell, csvFileName, toCsv } from "../src/csv";
import { event, registryOf } from "./registry-of";

const registry = registryOf([event("shown"), event("taken"), event("old", true)], "take_rate = taken / shown");

test("counts, rates and days are one table with as many cells in every line", () => {
  const text = toCsv(registry, { shown: 10, taken: 5 }, [{ start: "2026-11-16T00:00:00Z", counts: { taken: 5 } }]);
  expect(text.split("\r\n")).toEqual([
    "kind,day,name,value,numerator,denominator,low_95,high_95",
    "count,,shown,10,,,,",
    "count,,taken,5,,,,",
    "rate,,take_rate,0.5000,5,10,0.2366,0.7634",
    "day,2026-11-16,shown,0,,,,",
    "day,2026-11-16,taken,5,,,,",
    "",
  ]);
});

test("a retired event that was counted is in the table", () => {
  expect(toCsv(registry, { old: 3 }, [])).toContain("count,,old,3,,,,\r\n");
});

test("a rate without enough data has an empty value, one beyond 1 no limits", () => {
  expect(toCsv(registry, { shown: 4, taken: 1 }, [])).toContain("rate,,take_rate,,1,4,,\r\n");
  expect(toCsv(registry, { shown: 5, taken: 6 }, [])).toContain("rate,,take_rate,1.2000,6,5,,\r\n");
});

test.each([
  ["plain", "plain"],
  ['say "so", twice', '"say ""so"", twice"'],
  ["two\r\nlines", '"two\r\nlines"'],
  ["=1+1", "'=1+1"],
  ["+1", "'+1"],
  ["-1", "'-1"],
  ["@SUM(A1)", "'@SUM(A1)"],
  ['=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'],
  [12, "12"],
])("%j is written as %j", (value, written) => {
  expect(csvCell(value)).toBe(written);
});

test("the file is named after the window and the UTC day", () => {
  expect(csvFileName(7, new Date("2026-11-22T23:59:59Z"))).toBe("siddes-telemetry-7d-2026-11-22.csv");
});
