// How a batch is sent: by `fetch` while the page lives, since its response is needed, and by `sendBeacon` once the page is
// left (`pagehide` in queue.ts), since only a beacon is sure to outlive the page.

import { type Batch, toBody } from "./batch";
import { type Environment, ignoreErrors, sleep } from "./environment";
import { REQUEST_TIMEOUT_MS } from "./limits";
import type { Watcher } from "./page-queues";
import { type Outcome, outcomeOf } from "./response";

/** Sends a batch by `fetch`. Never rejects. */
export async function postBatch(env: Environment, url: string, batch: Batch, watcher?: Watcher): Promise<Outcome> {
  try {
    const response = env.fetch(url, {
      method: "POST",
      body: toBody(batch),
      headers: { "content-type": "application/json" },
      keepalive: true,
      credentials: "include",
      redirect: "manual",
      cache: "no-store",
      referrerPolicy: "no-referrer",
    });
    watcher?.fetch(response, batch, url);
    return await Promise.race([response.then(outcomeOf), sleep(env, REQUEST_TIMEOUT_MS)]);
  } catch {
    return 0; // a network error: the batch may or may not have been counted
  }
}

/** Sends a batch by `sendBeacon`, which outlives the page but reports no response. */
export function beaconBatch(env: Environment, url: string, batch: Batch): void {
  // a text goes as text/plain: a beacon of JSON to another origin would need a preflight, and old browsers refuse to send it
  ignoreErrors(() => env.navigator.sendBeacon(url, toBody(batch)));
}
