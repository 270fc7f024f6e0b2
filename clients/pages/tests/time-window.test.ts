import { expect, test } from "vitest";
import { windowFromHash, windowLabel } from "../src/time-window";

test("the window is read from the address", () => {
  expect(["", "#days=7", "#days=30", "#days=31"].map(windowFromHash)).toEqual([7, 7, 30, 7]);
});

test("the label says which window the counts are of while another one loads", () => {
  expect(windowLabel(30, 30)).toBe("Last 30 days");
  expect(windowLabel(7, 30)).toBe("Last 7 days, asking for 30");
});
