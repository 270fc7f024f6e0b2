import { quietly, type Surroundings } from "./surroundings";

const SIGNED_OUT = "sd_telemetry_reset"; // in localStorage: when the last viewer signed out, in milliseconds since 1970

/** Tells the other tabs of this origin that the viewer signs out: those that are open by an event, others on loading. */
export function tellOtherTabs(around: Surroundings): void {
  quietly(() => around.localStorage.setItem(SIGNED_OUT, `${around.Date.now()}`));
}

/** Whether this event of the kind "storage" is another tab's word that the viewer signs out. */
export function isSignOut(event: Event): boolean {
  return (event as StorageEvent).key === SIGNED_OUT;
}

/** When a viewer signed out last in this browser, in milliseconds since 1970; 0 where nobody did. Throws as storage does. */
export function lastSignOut(around: Surroundings): number {
  return Number(around.localStorage.getItem(SIGNED_OUT));
}
