import type { Queue } from "./queue";
import { isSignOut } from "./sign_out";
import type { Surroundings } from "./surroundings";

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
    // unsent: the cookie, which all tabs share, may be another viewer's already
    if (isSignOut(event)) queue.forget();
  });
}
