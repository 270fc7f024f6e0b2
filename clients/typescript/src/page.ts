import { ROLL_CALL, SIGNED_OUT } from "./names";
import type { Queue } from "./queue";
import type { Surroundings } from "./surroundings";

type Visit = (queue: Queue) => void;

/** Visits every queue of the page, those of another copy of this SDK too: an app may be of several bundles. */
export function everyQueue(around: Surroundings, visit: Visit): void {
  around.dispatchEvent(new CustomEvent(ROLL_CALL, { detail: visit }));
}

/** Lets a queue follow the life of its page. No `unload`, no BroadcastChannel: they keep a page out of the bfcache. */
export function followPage(around: Surroundings, queue: Queue): void {
  const reactions: Record<string, (event: never) => void> = {
    visibilitychange: () => (around.document.hidden ? queue.hide() : queue.step()),
    pagehide: queue.leave,
    pageshow(event: PageTransitionEvent) {
      // the pages between may have delivered what this one still remembers, or the viewer may have signed out on them
      if (event.persisted) queue.load();
    },
    online: queue.hurry,
    storage(event: StorageEvent) {
      // another tab's word that the viewer signs out; unsent: the cookie, which all tabs share, may be the next one's
      if (event.key === SIGNED_OUT) queue.forget();
    },
    [ROLL_CALL]: (event: CustomEvent<Visit>) => event.detail(queue),
  };
  for (const type in reactions) around.addEventListener(type, reactions[type] as (event: Event) => void);
  // captured, as it is fired at the document and does not bubble; until now sessionStorage was a copy
  around.addEventListener("prerenderingchange", queue.load, true);
}
