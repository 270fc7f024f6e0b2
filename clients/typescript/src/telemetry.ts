import type { Telemetry } from "./index"; // declared there so that its .d.ts needs no other file but the events
import { followPage } from "./page";
import { createQueue } from "./queue";
import { tellOtherTabs } from "./sign_out";
import type { Surroundings } from "./surroundings";

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
