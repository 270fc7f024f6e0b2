import { expect, test } from "vitest";
import { rateCertainty, rateEvents, rateFraction, rateHeadline } from "../src/format";
import { type Rate, rates } from "../src/rates";
import { event, registryOf } from "./registry-of";

const { events, rates: infos } = registryOf(
  [event("opened"), event("exported"), event("applied"), event("undone")],
  "export_rate = exported / opened",
  "undo_rate = undone / applied",
);
const exportRate = (counts: Record<string, number>): Rate => {
  const [first] = rates(infos, events, counts);
  if (!first) throw new Error("no rate");
  return first;
};

test("each rate has its own numerator and denominator", () => {
  const both = rates(infos, events, { opened: 10, exported: 5, applied: 40, undone: 10 });
  expect(both.map(({ name, label, numerator, denominator }) => [name, label, numerator, denominator])).toEqual([
    ["export_rate", "EXPORT_RATE", 5, 10],
    ["undo_rate", "UNDO_RATE", 10, 40],
  ]);
});

test("a denominator of four is not enough, five is", () => {
  expect(exportRate({ opened: 4, exported: 4 }).kind).toBe("too-few");
  expect(exportRate({ opened: 5, exported: 4 }).kind).toBe("interval");
  expect(rateCertainty(exportRate({ opened: 4, exported: 4 }))).toMatch(/^Not enough data/);
});

test("a rate beyond one has no interval and says why; exactly one has an interval", () => {
  const rate = exportRate({ opened: 10, exported: 11 });
  expect(rate).toMatchObject({ kind: "above-one", value: 1.1 });
  expect(rateHeadline(rate)).toBe("110.0%");
  expect(rateCertainty(rate)).toMatch(/^No interval: .*numerator/);
  expect(exportRate({ opened: 10, exported: 10 }).kind).toBe("interval");
});

test("a rate reads as percentage, fraction, events and interval", () => {
  const rate = exportRate({ opened: 1000, exported: 620 });
  expect([rateHeadline(rate), rateFraction(rate), rateEvents(rate), rateCertainty(rate)]).toEqual([
    "62.0%",
    "620 / 1,000",
    "EXPORTED / OPENED",
    "95% interval: 59.0% to 65.0%",
  ]);
});

test("a rate is shown where its two events are, counted or not", () => {
  expect(rates(infos, events, {}).map(({ name, kind }) => [name, kind])).toEqual([
    ["export_rate", "too-few"],
    ["undo_rate", "too-few"],
  ]);
  const without = events.filter(({ name }) => name !== "undone");
  expect(rates(infos, without, {}).map(({ name }) => name)).toEqual(["export_rate"]);
});

test("a rate may be of retired events, and says so", () => {
  const { events, rates: infos } = registryOf([event("a", true), event("b")], "r = a / b");
  expect(rates(infos, events, {}).map(rateEvents)).toEqual(["A (retired) / B"]);
});
