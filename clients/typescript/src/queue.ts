import { type Batch, clampCount, type Entry, mergeEntries } from "./batch";
import { isSendable, newBatchId } from "./batch-id";
import { type Environment, ignoreErrors, sleep } from "./environment";
import { BASE_MS, CAP_MS, LAST_TRY_MS, LINGER_MS, MAX_BATCHES, MAX_CALLS, MAX_WAITING } from "./limits";
import type { PageQueue } from "./page-queues";
import { OFF } from "./response";
import { SIGN_OUT_KEY } from "./storage-keys";
import { fromText, toText } from "./stored-batches";
import { beaconBatch, postBatch } from "./transport";

/** The queue as its page sees it. */
export interface Queue extends PageQueue {
  add(event: string, count?: number): void;
  load(): void;
  hide(): void;
  pagehide(): void;
  online(): void;
  forget(): void;
}

/**
 * The queue of one address: calls become batches, and each batch is sent until the server acknowledges it.
 *
 *     state      event                                  next       does
 *     waiting    2 s after the first call, or 50 calls  sealed     a batch gets its id and is stored
 *     sealed     no other request, no back-off          in flight  POST by fetch, the oldest batch first
 *     sealed     the page is hidden                     in flight  the same for all batches at once
 *     sealed     the page is left                       sealed     a beacon, which reports no response
 *     sealed     older than 9 minutes                   dropped    the server forgets an id after 10
 *     in flight  counted, or refused for good           dropped    removed from storage
 *     in flight  429, 5xx, or no response               sealed     back-off; the retry has the same id and body
 *     any        sign-out, opt-out, kill switch         dropped    nothing stays stored
 *
 * A waiting call is in memory only and has no id. A batch never changes, so a duplicate counts once: a duplicated tab
 * copies sessionStorage, and both tabs may send the batch.
 */
export function createQueue(env: Environment, url: string, key: string): Queue {
  let waiting: Entry[] = [];
  let batches: Batch[] = []; // sealed or in flight, oldest first
  const inFlight = new Map<Batch, Promise<void>>(); // settled when the response has been dealt with
  let lingerTimer = 0; // 0: the waiting calls have waited long enough
  let backOffTimer = 0; // 0: no back-off
  let retryAfterMs = 0; // the longest Retry-After of this back-off
  let failures = 0; // back-offs since the last success
  let off = false; // the server's kill switch is on; kept until the tab is closed
  let left = false; // the page is left: stored batches belong to the next page, until this one is shown again

  function save(): void {
    if (env.document.prerendering) return; // sessionStorage is a copy here, and discarded on activation
    const text = off ? OFF : toText(batches);
    ignoreErrors(() => (text ? env.sessionStorage.setItem(key, text) : env.sessionStorage.removeItem(key)));
  }

  function forget(): void {
    waiting = [];
    batches = [];
    endBackOff();
    seal(0);
  }

  /** Whether nothing may be counted. If so, forgets everything. */
  function isStopped() {
    const stopped = off || queue.refused || env.navigator.globalPrivacyControl;
    if (stopped) forget();
    return stopped;
  }

  /** Whether nothing may be sent. A prerendered page does not send: it may never be shown. */
  function isSilent() {
    return isStopped() || env.document.prerendering;
  }

  /** Makes batches of the waiting calls until there are `maxBatches`, and drops those that are too old. */
  function seal(maxBatches: number): void {
    batches = batches.filter((batch) => inFlight.has(batch) || isSendable(batch[0], env.Date.now()));
    while (waiting[0] && batches.length < maxBatches) {
      batches.push([newBatchId(env), mergeEntries(waiting.splice(0, MAX_CALLS))]);
    }
    if (!waiting[0]) env.clearTimeout(lingerTimer);
    save();
  }

  /** Seals all waiting calls, and calls `go` with each batch that is neither in flight nor in `skip`. */
  function flush(go: (batch: Batch) => void, skip: readonly Batch[] = []): void {
    if (isSilent()) return;
    seal(MAX_BATCHES);
    batches.filter((batch) => !inFlight.has(batch) && !skip.includes(batch)).forEach(go);
  }

  /** Sends the oldest batch, if one is due and no other is in flight. */
  function step(): void {
    if (isSilent() || left || backOffTimer || batches.some((batch) => inFlight.has(batch))) return;
    seal(!lingerTimer || waiting.length >= MAX_CALLS ? 1 : 0);
    if (batches[0]) send(batches[0]);
  }

  function send(batch: Batch): void {
    const request = postBatch(env, url, batch, queue.watcher).then((outcome) => {
      inFlight.delete(batch);
      if (!batches.includes(batch)) return; // forgotten meanwhile
      if (outcome === OFF) off = true;
      else if (outcome === "done") {
        failures = 0;
        batches = batches.filter((other) => other !== batch);
        save();
      } else backOff(outcome);
      step();
    });
    inFlight.set(batch, request);
  }

  function backOff(leastMs: number): void {
    retryAfterMs = Math.max(retryAfterMs, leastMs); // several requests may fail side by side: the longest wait counts
    env.clearTimeout(backOffTimer);
    backOffTimer = env.setTimeout(
      () => {
        failures++;
        endBackOff();
        step();
      },
      retryAfterMs + env.Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** failures),
    );
  }

  function endBackOff(): void {
    env.clearTimeout(backOffTimer);
    backOffTimer = 0;
    retryAfterMs = 0;
  }

  const queue: Queue = {
    refused: false,

    /** Takes over the stored batches, except those from before a sign-out. Unreadable storage changes nothing. */
    load(): void {
      left = false;
      ignoreErrors(() => {
        const text = env.sessionStorage.getItem(key);
        if (text === OFF) off = true;
        else batches = fromText(text, env.Date.now(), Number(env.localStorage.getItem(SIGN_OUT_KEY)));
      });
      step();
    },

    step,
    forget,
    add(event: string, count?: number): void {
      queue.watcher?.event(event, count, key);
      if (isStopped() || typeof event !== "string" || count === 0 || waiting.length >= MAX_WAITING) return;
      const length = waiting.push([event, clampCount(count)]);
      if (length === 1) {
        lingerTimer = env.setTimeout(() => {
          lingerTimer = 0;
          step();
        }, LINGER_MS);
      }
      if (length >= MAX_CALLS) step();
    },

    /** The page is hidden and may never run again: sends everything at once, except what is in back-off. */
    hide: () => flush(send, backOffTimer ? batches : []),

    /** The page is left: sends beacons. The batches stay stored, and are sent again if the page comes back. */
    pagehide(): void {
      flush((batch) => beaconBatch(env, url, batch));
      left = true; // a page from the bfcache gets visibilitychange before pageshow: it must not send before load()
      waiting = []; // without an id and its time, nothing would tell whether the viewer has signed out meanwhile
    },

    /** The network is back: ends the back-off, unless the server asked for it. */
    online(): void {
      if (retryAfterMs) return;
      endBackOff();
      step();
    },

    /** Sends everything a last time, then forgets it. Settles when all requests have, or after two seconds. */
    finish(): Promise<unknown> {
      seal(Infinity);
      flush(send);
      forget();
      return Promise.race([Promise.all(inFlight.values()), sleep(env, LAST_TRY_MS)]); // requests of earlier calls too
    },
  };
  return queue;
}
