// Registries for the tests of the pages.

import type { EventInfo, Registry } from "../src/api";

/** An event whose label is its name in upper case. */
export const event = (name: string, retired = false): EventInfo => ({
  name,
  label: name.toUpperCase(),
  meaning: "",
  retired,
});

/** A registry of these events; each of `rates` is "name = numerator / denominator". */
export function registryOf(events: readonly EventInfo[], ...rates: string[]): Registry {
  return {
    events,
    rates: rates.map((rate) => {
      const [name = "", numerator = "", denominator = ""] = rate.split(/ [=/] /);
      return { name, label: name.toUpperCase(), numerator, denominator };
    }),
  };
}
