import type { Environment } from "./environment";
import { VISIT_EVENT_TYPE, type Visit } from "./page-queues";
import type { Queue } from "./queue";
import { SIGN_OUT_KEY } from "./storage-keys";

/** Connects a queue to its page's events. No `unload`, no BroadcastChannel: they keep a page out of the bfcache. */
export function followPageLifecycle(env: Environment, queue: Queue): void {
  const listeners: Record<string, (event: never) => void> = {
    visibilitychange: () => (env.document.hidden ? queue.hide() : queue.step()),
    pagehide: queue.pagehide,
    pageshow(event: PageTransitionEvent) {
      // from the bfcache: pages in between may have delivered the stored batches, or the viewer may have signed out
      if (event.persisted) queue.load();
    },
    online: queue.online,
    storage(event: StorageEvent) {
      // reset() in another tab. Nothing is sent: tabs share the cookie, which may be the next viewer's by now
      if (event.key === SIGN_OUT_KEY) queue.forget();
    },
    [VISIT_EVENT_TYPE]: (event: CustomEvent<Visit>) => event.detail(queue),
  };
  for (const type in listeners) env.addEventListener(type, listeners[type] as (event: Event) => void);
  // captured, because it is fired at the document and does not bubble; before it, sessionStorage was a copy
  env.addEventListener("prerenderingchange", queue.load, true);
}
