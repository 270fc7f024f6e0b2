// The layout of the chart by day: stacked bars on whole-number ticks. Pure geometry; chart-view.ts draws it.

import type { Step } from "./api";
import { formatDay, formatNumber, totalCount } from "./format";

export const CHART_HEIGHT = 240; // CSS pixels
const TOP = 12;
const BOTTOM = 28; // space for the day labels
const RIGHT = 16; // half of the label "Today" may extend beyond its bar, CSS pixels
const DIGIT_WIDTH = 7.5; // of a digit of the axis or its comma, CSS pixels at 12 px
const LABEL_WIDTH = 52; // of a day's label, CSS pixels
const MAX_BAR_WIDTH = 44; // wider bars look like blocks
const MAX_TICK_INTERVALS = 4; // on the axis
const SEAM = 1; // gap between stacked segments, CSS pixels: similar colours stay apart

export interface Segment {
  readonly name: string;
  readonly y: number;
  readonly height: number;
}

export interface Bar {
  readonly step: Step;
  readonly x: number;
  readonly width: number;
  readonly slot: { readonly x: number; readonly width: number };
  readonly label: string | undefined;
  readonly inProgress: boolean;
  readonly segments: readonly Segment[];
}

export interface Layout {
  readonly left: number;
  readonly right: number;
  readonly base: number;
  readonly ticks: readonly { readonly value: number; readonly y: number }[];
  readonly bars: readonly Bar[];
}

/** Ticks from 0 to at least `max` in steps of 1, 2, 2.5 or 5 times a power of ten: whole numbers, as counts are. */
export function ticks(max: number): readonly number[] {
  const rough = Math.max(max, 1) / MAX_TICK_INTERVALS;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const steps = [1, 2, 2.5, 5, 10].map((factor) => factor * power).filter(Number.isInteger);
  const step = steps.find((candidate) => candidate >= rough) ?? 10 * power;
  return Array.from({ length: Math.ceil(Math.max(max, 1) / step) + 1 }, (_, index) => index * step);
}

/** Bars of `names` stacked in that order, the first at the bottom. `width` is in CSS pixels; the last step is today's. */
export function layoutChart(steps: readonly Step[], names: readonly string[], width: number): Layout {
  const values = ticks(Math.max(0, ...steps.map((step) => totalCount(step.counts, names))));
  const highest = values.at(-1) ?? 1;
  const left = Math.ceil(formatNumber(highest).length * DIGIT_WIDTH) + 14;
  const right = Math.max(width - RIGHT, left + 1);
  const base = CHART_HEIGHT - BOTTOM;
  const y = (value: number) => base - (value / highest) * (base - TOP);
  const slot = (right - left) / Math.max(steps.length, 1);
  const barWidth = Math.min(MAX_BAR_WIDTH, slot * 0.7);
  const every = Math.max(1, Math.ceil(LABEL_WIDTH / slot));
  const bars = steps.map((step, index) => {
    const fromLast = steps.length - 1 - index; // counted from today, so that today always has a label
    const x = left + slot * index;
    return {
      step,
      x: x + (slot - barWidth) / 2,
      width: barWidth,
      slot: { x, width: slot },
      label: fromLast % every > 0 ? undefined : fromLast === 0 ? "Today" : formatDay(step),
      inProgress: fromLast === 0,
      segments: stack(step, names, y),
    };
  });
  return { left, right, base, ticks: values.map((value) => ({ value, y: y(value) })), bars };
}

function stack(step: Step, names: readonly string[], y: (value: number) => number): readonly Segment[] {
  const segments: Segment[] = [];
  let below = 0;
  for (const name of names) {
    const count = step.counts[name] ?? 0;
    if (count === 0) continue;
    const top = y(below + count);
    segments.push({ name, y: top, height: Math.max(y(below) - top - (below > 0 ? SEAM : 0), 0.5) });
    below += count;
  }
  return segments;
}
