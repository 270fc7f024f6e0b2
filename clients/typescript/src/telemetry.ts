import type { Telemetry } from "./index"; // declared there so that its .d.ts needs no other file but the events
import { SIGNED_OUT } from "./names";
import { everyQueue, followPage } from "./page";
import { createQueue } from "./queue";
import { quietly, type Surroundings } from "./surroundings";

/**
 * Telemetry that sends to `url` and keeps what is unanswered in sessionStorage under `key`. To sign out or to refuse is
 * the viewer's matter, not an address's: it is for every queue of the page.
 */
export function connect(around: Surroundings, url: string, key: string): Telemetry<string> {
  const queue = createQueue(around, url, key);
  everyQueue(around, (other) => {
    queue.refused ||= other.refused;
  });
  followPage(around, queue);
  queue.load();
  return Object.assign(queue.add, {
    async reset(): Promise<void> {
      const tries: Promise<unknown>[] = [];
      everyQueue(around, (each) => tries.push(each.finish()));
      // tells the other tabs: those that are open by an event, others on loading
      quietly(() => around.localStorage.setItem(SIGNED_OUT, `${around.Date.now()}`));
      await Promise.all(tries);
    },
    disable: () =>
      everyQueue(around, (each) => {
        each.refused = true;
        each.step();
      }),
  });
}

/** Where there is no page (server-side rendering) nothing is counted. */
export function disconnected(): Telemetry<string> {
  const nothing = async () => {};
  return Object.assign(() => {}, { reset: nothing, disable: nothing });
}
