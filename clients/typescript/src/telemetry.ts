import { type Environment, ignoreErrors } from "./environment";
import { followPageLifecycle } from "./page-lifecycle";
import { forEachQueue } from "./page-queues";
import { createQueue } from "./queue";
import { SIGN_OUT_KEY } from "./storage-keys";

/**
 * Telemetry that sends to `url` and keeps unacknowledged batches in sessionStorage under `key`. reset() and disable()
 * act on every queue of the page: they concern the viewer, not an address.
 */
export function pageTelemetry(env: Environment, url: string, key: string) {
  const queue = createQueue(env, url, key);
  forEachQueue(env, (other) => {
    queue.refused ||= other.refused;
    queue.watcher ??= other.watcher;
  });
  followPageLifecycle(env, queue);
  queue.load();
  return Object.assign(queue.add, {
    async reset(): Promise<void> {
      const tries: Promise<unknown>[] = [];
      forEachQueue(env, (each) => tries.push(each.finish()));
      // tells the other tabs: open ones by a storage event, the rest when they are loaded
      ignoreErrors(() => env.localStorage.setItem(SIGN_OUT_KEY, `${env.Date.now()}`));
      await Promise.all(tries);
    },
    disable: () =>
      forEachQueue(env, (each) => {
        each.refused = true;
        each.step();
      }),
  });
}

/** Telemetry that counts nothing, for server-side rendering. */
export function noTelemetry() {
  const nothing = async () => {};
  return Object.assign(() => {}, { reset: nothing, disable: nothing });
}
