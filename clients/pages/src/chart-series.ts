// What the chart stacks: one series for each counted event, as long as there are enough colours to tell them apart.

import type { EventInfo, Step } from "./api";
import { totalCount } from "./format";
import { markedLabel } from "./registry";

const HUES = 8; // in the palette of pages.css
const OTHERS_HUE = String(HUES - 1); // grey
const OTHERS = ""; // no event's name

/** One colour of the chart. `key` is the event's name, or OTHERS. */
export interface Series {
  readonly key: string;
  readonly label: string;
  readonly hue: string;
  readonly names: readonly string[];
}

/** The palette index of the event at this place of the registry; with more than eight events colours repeat. */
export const hue = (index: number): string => String(index % HUES);

/**
 * The series of `steps`, in the order of `events`. An event that was not counted has none. Where more were counted than
 * there are colours, the seven that were counted most have a colour each, and the others share one series.
 */
export function chartSeries(events: readonly EventInfo[], steps: readonly Step[]): readonly Series[] {
  const totals = new Map(events.map(({ name }) => [name, steps.reduce((sum, step) => sum + at(step, name), 0)]));
  const total = ({ name }: EventInfo) => totals.get(name) ?? 0;
  const counted = events.filter((event) => total(event) > 0);
  if (events.length <= HUES) return counted.map((event) => series(event, hue(events.indexOf(event))));
  if (counted.length <= HUES) return counted.map((event, index) => series(event, hue(index)));
  const most = new Set([...counted].sort((one, other) => total(other) - total(one)).slice(0, HUES - 1));
  const own = counted.filter((event) => most.has(event)).map((event, index) => series(event, hue(index)));
  const names = counted.filter((event) => !most.has(event)).map((event) => event.name);
  return [...own, { key: OTHERS, label: `${names.length} other events`, hue: OTHERS_HUE, names }];
}

/** The steps with their counts by the keys of `all`. */
export function stepsBySeries(steps: readonly Step[], all: readonly Series[]): readonly Step[] {
  return steps.map(({ start, counts }) => ({
    start,
    counts: Object.fromEntries(all.map(({ key, names }) => [key, totalCount(counts, names)])),
  }));
}

/** The colours of the events that the chart has. */
export function huesOf(all: readonly Series[]): ReadonlyMap<string, string> {
  return new Map(all.flatMap(({ names, hue }) => names.map((name) => [name, hue] as const)));
}

function series(event: EventInfo, hue: string): Series {
  return { key: event.name, label: markedLabel(event), hue, names: [event.name] };
}

function at(step: Step, name: string): number {
  return step.counts[name] ?? 0;
}
