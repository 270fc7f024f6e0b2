// Questions that the views ask about the registry.

import type { Counts, EventInfo, Registry, Step } from "./api";

/** The events to show, in the registry's order: a retired one only where it was counted. */
export function shownEvents(registry: Registry, counts: Counts, steps: readonly Step[]): readonly EventInfo[] {
  const counted = (name: string) => [counts, ...steps.map((step) => step.counts)].some((each) => (each[name] ?? 0) > 0);
  return registry.events.filter((event) => !event.retired || counted(event.name));
}

/** The label, where no mark beside it says that the event is retired. */
export function markedLabel({ label, retired }: EventInfo): string {
  return retired ? `${label} (retired)` : label;
}

/** Whether the server takes all of these events. */
export function acceptsAll(registry: Registry, names: readonly string[]): boolean {
  return names.every((name) => registry.events.some((event) => event.name === name && !event.retired));
}

/** Whether somebody who typed `text` into the field "Find an event" looks for this one. */
export function isSought(event: EventInfo, text: string): boolean {
  const sought = text.trim().toLowerCase();
  return [event.name, event.label].some((words) => words.toLowerCase().includes(sought));
}
