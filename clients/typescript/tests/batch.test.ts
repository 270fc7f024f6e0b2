import { describe, expect, test } from "vitest";
import { addUp, clampCount, fromText, toBody, toText } from "../src/batch";
import { isSendable, newId } from "../src/id";
import { ScriptedServer } from "./browser";

const { browser } = new ScriptedServer();
const NOW = browser.clock.time;
const MINUTE = 60_000;

describe("a count", () => {
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
    const entries = addUp([
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
    expect(addUp(Array.from({ length: 50 }, () => ["a", 50] as const))).toEqual(Array(50).fill(["a", 50]));
    expect(addUp(Array.from({ length: 3 }, () => ["a", 25] as const))).toEqual([
      ["a", 50],
      ["a", 25],
    ]);
  });
});

describe("an id", () => {
  const page = browser.open();

  test("is a UUIDv7 that says when it was made", () => {
    const id = newId(page);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(NOW);
  });

  test("has 74 random bits", () => {
    const bits = (byte: number) =>
      newId({ ...page, crypto: { getRandomValues: (bytes) => bytes.fill(byte) } }).slice(14);
    expect([bits(0), bits(255)]).toEqual(["7000-8000-000000000000", "7fff-bfff-ffffffffffff"]);
  });

  test.each([
    ["absent", undefined],
    ["broken", { getRandomValues: () => fail() }],
  ])("is made where crypto is %s", (_, crypto) => {
    expect(newId({ ...page, crypto } as unknown as typeof page)).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("may be sent for nine minutes, and not before it was made", () => {
    const id = newId(page);
    expect([0, 9 * MINUTE, 9 * MINUTE + 1, -1].map((age) => isSendable(id, NOW + age))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe("a stored text", () => {
  const id = newId(browser.open());
  const sound = [id, [["a", 3]]] as const;
  const read = (text: string, start = 0) => fromText(text, NOW, start);

  test("gives back what was stored, and holds ids, events and counts only", () => {
    expect(toText([sound])).toBe(`[["${id}",[["a",3]]]]`);
    expect(read(toText([sound]))).toEqual([sound]);
    expect(toText([])).toBe("");
  });

  test.each([
    [null],
    [7],
    [[]],
    [[id]],
    [["x", [["a", 1]]]],
    [[7, [["a", 1]]]],
    [[id, [["a", 51]]]],
    [[id, [["a", 0]]]],
    [[id, [["a"]]]],
    [[id, [[{}, 1]]]],
  ])("leaves out %j", (malformed) => expect(read(JSON.stringify([malformed, sound]))).toEqual([sound]));

  test("gives at most 20 batches", () => {
    expect(read(toText(Array(30).fill(sound)))).toHaveLength(20);
  });

  test("gives nothing of before a moment", () => {
    expect([NOW - 1, NOW].map((start) => read(toText([sound]), start).length)).toEqual([1, 0]);
  });

  test("becomes the body the batch endpoint takes", () => {
    expect(JSON.parse(toBody(sound))).toEqual({ batch_id: id, events: [{ event: "a", count: 3 }] });
  });
});

function fail(): never {
  throw new Error("broken");
}
