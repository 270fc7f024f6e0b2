import { expect, test } from "vitest";
import { stepperCount } from "../src/count-stepper";

test.each([
  ["1", 1],
  ["50", 50],
  ["51", 50],
  ["0", 1],
  ["-3", 1],
  ["2.9", 2],
  ["", 1],
  ["many", 1],
  ["1e9", 50],
])("the stepper's text %j counts %i", (text, count) => {
  expect(stepperCount(text)).toBe(count);
});
