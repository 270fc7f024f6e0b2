import { expect, test } from "vitest";
import { pollDelayMs } from "../src/polling";

test("after failures the delay doubles up to half a minute, half of it random", () => {
  expect([0, 1, 2, 3, 4, 5, 9].map((failures) => pollDelayMs(failures, 0, 0.999999))).toEqual(
    [2, 2, 4, 8, 16, 30, 30].map((seconds) => expect.closeTo(seconds * 1000, -2)),
  );
  expect(pollDelayMs(3, 0, 0)).toBe(4_000);
  expect(pollDelayMs(1, 20, 0.5)).toBe(21_000);
});
