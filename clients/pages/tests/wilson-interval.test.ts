import { describe, expect, test } from "vitest";
import { wilsonInterval } from "../src/wilson-interval";

describe("the Wilson interval", () => {
  // From R: prop.test(x, n, correct = FALSE)$conf.int
  test.each([
    [5, 10, 0.2366, 0.7634],
    [1, 10, 0.0179, 0.4042],
    [62, 100, 0.5221, 0.709],
  ])("of %i in %i is %f to %f", (numerator, denominator, low, high) => {
    expect(wilsonInterval(numerator, denominator).low).toBeCloseTo(low, 4);
    expect(wilsonInterval(numerator, denominator).high).toBeCloseTo(high, 4);
  });

  test("stays within 0 and 1, and holds the rate, for every proportion", () => {
    for (let n = 1; n <= 60; n += 1) {
      for (let x = 0; x <= n; x += 1) {
        const { low, high } = wilsonInterval(x, n);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low <= x / n && x / n <= high).toBe(true);
      }
    }
  });
});
