// The field "Find an event", above a table of many events.

import type { EventInfo } from "./api";
import { byId, setHidden } from "./dom";

const MAX_AT_A_GLANCE = 12; // rows that are looked through faster than a name is typed

/** `changed` is called when the text changes. Returns a function that shows the field, or not, and reads its text. */
export function searchView(changed: () => void): (events: readonly EventInfo[]) => string {
  const field = byId("search", HTMLInputElement);
  field.addEventListener("input", changed);
  return (events) => {
    const isNeeded = events.length > MAX_AT_A_GLANCE;
    setHidden(field, !isNeeded);
    return isNeeded ? field.value : "";
  };
}
