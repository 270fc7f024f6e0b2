import type { Queue } from "./queue";
import { quietly, type Surroundings } from "./surroundings";

const SIGNED_OUT = "sd_telemetry_reset"; // in localStorage, and only for the moment that wakes the other tabs

/** Lets a queue follow the life of its page. No `unload`, no BroadcastChannel: they keep a page out of the bfcache. */
export function followPage(around: Surroundings, queue: Queue): void {
  around.addEventListener("visibilitychange", () => {
    around.document.visibilityState === "hidden" ? queue.hide() : queue.step();
  });
  around.addEventListener("pagehide", queue.leave);
  around.addEventListener("pageshow", (event) => {
    // the pages between may have delivered what this one still remembers, or the viewer may have signed out on them
    if ((event as PageTransitionEvent).persisted) queue.load();
  });
  around.addEventListener("online", queue.hurry);
  around.addEventListener("storage", (event) => {
    const { key, newValue } = event as StorageEvent;
    // unsent: the cookie, which all tabs share, may be another viewer's already
    if (key === SIGNED_OUT && newValue) queue.forget();
  });
}

/** Tells the other tabs of this origin that the viewer signs out. */
export function tellOtherTabs(around: Surroundings): void {
  quietly(() => {
    around.localStorage.setItem(SIGNED_OUT, "1");
    around.localStorage.removeItem(SIGNED_OUT);
  });
}
