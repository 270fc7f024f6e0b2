import { describe, expect, test } from "vitest";
import { isSendable, newBatchId } from "../src/batch-id";
import { ScriptedServer } from "./fake-browser";

const { browser } = new ScriptedServer();
const NOW = browser.clock.time;
const MINUTE = 60_000;

describe("an id", () => {
  const page = browser.open();

  test("is a UUIDv7 that says when it was made", () => {
    const id = newBatchId(page);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(NOW);
  });

  test("has 74 random bits", () => {
    const bits = (byte: number) =>
      newBatchId({ ...page, crypto: { getRandomValues: (bytes) => bytes.fill(byte) } }).slice(14);
    expect([bits(0), bits(255)]).toEqual(["7000-8000-000000000000", "7fff-bfff-ffffffffffff"]);
  });

  test.each([
    ["absent", undefined],
    ["broken", { getRandomValues: () => fail() }],
  ])("is made where crypto is %s", (_, crypto) => {
    expect(newBatchId({ ...page, crypto } as unknown as typeof page)).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("may be sent for nine minutes, and not before it was made", () => {
    const id = newBatchId(page);
    expect([0, 9 * MINUTE, 9 * MINUTE + 1, -1].map((age) => isSendable(id, NOW + age))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

function fail(): never {
  throw new Error("broken");
}
