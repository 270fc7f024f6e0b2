import { expect, test } from "vitest";
import { acceptsAll, isSought, shownEvents } from "../src/registry";
import { event, registryOf } from "./registry-of";

const registry = registryOf([event("opened"), event("old", true), event("exported")]);

test("a retired event is shown only where it was counted, in the window or on one of its days", () => {
  const names = (counts: Record<string, number>, day: Record<string, number>) =>
    shownEvents(registry, counts, [{ start: "2026-11-16T00:00:00Z", counts: day }]).map(({ name }) => name);
  expect(names({ opened: 1 }, {})).toEqual(["opened", "exported"]);
  expect(names({ old: 1 }, {})).toEqual(["opened", "old", "exported"]);
  expect(names({}, { old: 1 })).toEqual(["opened", "old", "exported"]);
});

test("the server takes events that the registry has and that are not retired", () => {
  expect(acceptsAll(registry, ["opened", "exported"])).toBe(true);
  expect(acceptsAll(registry, ["opened", "old"])).toBe(false);
  expect(acceptsAll(registry, ["opened", "printed"])).toBe(false);
});

test("an event is found by a part of its name or its label, in any case", () => {
  const photo = { ...event("photo_opened"), label: "Pictures seen" };
  for (const text of ["", " ", "PHOTO_", "seen", " pictures "]) expect(isSought(photo, text)).toBe(true);
  expect(isSought(photo, "exported")).toBe(false);
});
