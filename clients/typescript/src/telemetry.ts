import { followPage, tellOtherTabs } from "./page";
import { createQueue } from "./queue";
import type { Surroundings } from "./surroundings";

/** Counts events, fire and forget: it returns at once, never throws and never writes to the console. */
export interface Telemetry<E extends string> {
  /** Counts `event` `count` times (1 where it is left out or no number; whole, 1..50). */
  (event: E, count?: number): void;
  /**
   * The viewer signs out: what waits is tried a last time, then forgotten, here and in the other tabs of this origin.
   * Await it before the session ends, as what is sent belongs to whom the cookie says. Calls made after it belong to
   * the next viewer. Settles within 2 seconds and never rejects.
   */
  reset(): Promise<void>;
  /** Forgets what waits; nothing is counted, stored or sent any more until the page is left. */
  disable(): void;
}

/** Telemetry that sends to `url` and keeps what is unanswered in sessionStorage under `key`. */
export function connect(around: Surroundings, url: string, key: string): Telemetry<string> {
  const queue = createQueue(around, url, key);
  followPage(around, queue);
  return Object.assign(queue.add, {
    reset(): Promise<void> {
      const finished = queue.finish();
      tellOtherTabs(around);
      return finished;
    },
    disable: queue.disable,
  });
}

/** Where there is no page (server-side rendering) nothing is counted. */
export function disconnected(): Telemetry<string> {
  return Object.assign(() => {}, { reset: async () => {}, disable: () => {} });
}
