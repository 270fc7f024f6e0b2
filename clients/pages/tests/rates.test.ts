import { expect, test } from "vitest";
import type { EventInfo } from "../src/api";
import { rateCertainty, rateFraction, rateHeadline } from "../src/format";
import { rates } from "../src/rates";

const REGISTRY: readonly EventInfo[] = [
  { name: "shown", part: "shown", meaning: "" },
  { name: "taken", part: "accept", meaning: "" },
  { name: "taken_in_tray", part: "accept", meaning: "" },
  { name: "passed", part: "skip", meaning: "" },
  { name: "other", part: "none", meaning: "" },
];
const accept = (counts: Record<string, number>) => {
  const [first] = rates(REGISTRY, counts);
  if (!first) throw new Error("no rate");
  return first;
};

test("events that share a part are added up", () => {
  expect(accept({ shown: 10, taken: 2, taken_in_tray: 3, other: 9 })).toMatchObject({
    numerator: 5,
    denominator: 10,
    value: 0.5,
  });
});

test("four shown are not enough, five are", () => {
  expect(accept({ shown: 4, taken: 4 }).kind).toBe("too-few");
  expect(accept({ shown: 5, taken: 4 }).kind).toBe("interval");
  expect(rateCertainty(accept({ shown: 4, taken: 4 }))).toMatch(/^Not enough data/);
});

test("a rate beyond one has no interval and says why; exactly one has an interval", () => {
  const rate = accept({ shown: 10, taken: 11 });
  expect(rate).toMatchObject({ kind: "above-one", value: 1.1 });
  expect(rateHeadline(rate)).toBe("110.0%");
  expect(rateCertainty(rate)).toMatch(/^No interval: .*tray/);
  expect(accept({ shown: 10, taken: 10 }).kind).toBe("interval");
});

test("a rate reads as percentage, fraction and interval", () => {
  const rate = accept({ shown: 1000, taken: 620 });
  expect([rateHeadline(rate), rateFraction(rate), rateCertainty(rate)]).toEqual([
    "62.0%",
    "620 / 1,000 shown",
    "95% interval: 59.0% to 65.0%",
  ]);
});

test("there is a rate for each part that the registry has, and none where nothing is ever shown", () => {
  expect(rates(REGISTRY, {}).map(({ part, kind }) => [part, kind])).toEqual([
    ["accept", "too-few"],
    ["skip", "too-few"],
  ]);
  const unshown = REGISTRY.filter((event) => event.part !== "shown");
  expect(rates(unshown, { taken: 9 })).toEqual([]);
});
