// The Wilson score interval: the confidence interval of a rate.

const Z95 = 1.959963984540054; // the 97.5 % quantile of the normal distribution: 95 % two-sided

/** Limits as fractions: 0.5 is 50 %. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * The 95 % score interval of a proportion; 0 <= numerator <= denominator, denominator > 0.
 *
 * Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
 */
export function wilsonInterval(numerator: number, denominator: number): Interval {
  const p = numerator / denominator;
  const scale = 1 + Z95 ** 2 / denominator;
  const centre = (p + Z95 ** 2 / (2 * denominator)) / scale;
  const half = (Z95 / scale) * Math.sqrt((p * (1 - p)) / denominator + Z95 ** 2 / (4 * denominator ** 2));
  // At 0 and 1 the exact limits are 0 and 1; rounding would leave 1e-17.
  return { low: numerator === 0 ? 0 : centre - half, high: numerator === denominator ? 1 : centre + half };
}
