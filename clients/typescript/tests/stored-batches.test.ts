import { describe, expect, test } from "vitest";
import { newBatchId } from "../src/batch-id";
import { fromText, toText } from "../src/stored-batches";
import { ScriptedServer } from "./fake-browser";

const { browser } = new ScriptedServer();
const NOW = browser.clock.time;

describe("a stored text", () => {
  const id = newBatchId(browser.open());
  const sound = [id, [["a", 3]]] as const;
  const read = (text: string | undefined, start = 0) => fromText(text ?? null, NOW, start);

  test("gives back what was stored, and holds ids, events and counts only", () => {
    expect(toText([sound])).toBe(`[["${id}",[["a",3]]]]`);
    expect(read(toText([sound]))).toEqual([sound]);
    expect(toText([])).toBeUndefined();
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
});
