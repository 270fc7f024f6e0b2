import { addUp, type Batch, clampCount, type Entry, fromText, toBody, toText } from "./batch";
import { isSendable, newId } from "./id";
import { BASE_MS, CAP_MS, LAST_TRY_MS, LINGER_MS, MAX_BATCHES, MAX_CALLS, MAX_WAITING, PATIENCE_MS } from "./limits";
import { SIGNED_OUT } from "./names";
import { quietly, type Surroundings } from "./surroundings";
import { judge, OFF, type Verdict } from "./verdict";

export type Queue = ReturnType<typeof createQueue>;

/**
 * Calls wait in memory, without an id, until a batch of them is first tried: then it gets its id, is stored, and never
 * changes again. sessionStorage is copied when a tab is duplicated, so two tabs may send the same batch: equal in id
 * and content, it counts once.
 */
export function createQueue(around: Surroundings, url: string, key: string) {
  let waiting: Entry[] = [];
  let batches: Batch[] = []; // tried and not acknowledged, oldest first
  const flights = new Map<Batch, Promise<void>>(); // requests under way; settled when dealt with
  let linger = 0; // timer; 0 when what waits has waited long enough
  let pause = 0; // timer of the back-off
  let askedMs = 0; // the longest Retry-After of this back-off
  let failures = 0; // back-offs since the last answer that was none
  let off = false; // until the tab is closed: the server counts nothing
  let left = false; // until the page is loaded again: what is stored is the next page's

  function save(): void {
    if (around.document.prerendering) return; // what it would write to is a copy, and lost with the activation
    const text = off ? OFF : toText(batches);
    quietly(() => (text ? around.sessionStorage.setItem(key, text) : around.sessionStorage.removeItem(key)));
  }

  function forget(): void {
    waiting = [];
    batches = [];
    endPause();
    seal(0);
  }

  /** Whether nothing is counted; then nothing is kept either. */
  function isStopped() {
    const stopped = off || queue.refused || around.navigator.globalPrivacyControl;
    if (stopped) forget();
    return stopped;
  }

  function endPause(): void {
    around.clearTimeout(pause);
    pause = 0;
    askedMs = 0;
  }

  /** Nothing is sent from a page that is prerendered: it may never be seen. */
  function isSilent() {
    return isStopped() || around.document.prerendering;
  }

  /** Makes batches of what waits, while there are fewer than `maxBatches`, and drops those that are too old. */
  function seal(maxBatches: number): void {
    const now = around.Date.now();
    batches = batches.filter((batch) => flights.has(batch) || isSendable(batch[0], now));
    while (waiting[0] && batches.length < maxBatches) {
      batches.push([newId(around), addUp(waiting.splice(0, MAX_CALLS))]);
    }
    if (!waiting[0]) around.clearTimeout(linger);
    save();
  }

  /** Seals everything that waits, and hands on each batch that is neither under way nor among those to `skip`. */
  function flush(go: (batch: Batch) => void, skip: readonly Batch[] = []): void {
    if (isSilent()) return;
    seal(MAX_BATCHES);
    for (const batch of batches) if (!flights.has(batch) && !skip.includes(batch)) go(batch);
  }

  /** Does what is next, if anything: one request at a time, the oldest batch first. */
  function step(): void {
    if (isSilent() || left || pause || batches.some((batch) => flights.has(batch))) return;
    seal(!linger || waiting.length >= MAX_CALLS ? 1 : 0);
    if (batches[0]) send(batches[0]);
  }

  function send(batch: Batch): void {
    const flight = post(batch).then((verdict) => {
      flights.delete(batch);
      if (!batches.includes(batch)) return; // forgotten meanwhile
      if (verdict === OFF) off = true;
      else if (verdict === "done") {
        failures = 0;
        batches = batches.filter((other) => other !== batch);
        save();
      } else backOff(verdict);
      step();
    });
    flights.set(batch, flight);
  }

  async function post(batch: Batch): Promise<Verdict> {
    try {
      return await Promise.race([
        around
          .fetch(url, {
            method: "POST",
            body: toBody(batch),
            headers: { "content-type": "application/json" },
            keepalive: true,
            credentials: "include",
            redirect: "manual",
            cache: "no-store",
            referrerPolicy: "no-referrer",
          })
          .then(judge),
        sleep(PATIENCE_MS),
      ]);
    } catch {
      return 0; // a network error: it may or may not have been counted
    }
  }

  function sleep(ms: number): Promise<0> {
    return new Promise((done) => around.setTimeout(done, ms, 0));
  }

  function backOff(leastMs: number): void {
    askedMs = Math.max(askedMs, leastMs); // requests that failed side by side: the longest counts
    around.clearTimeout(pause);
    pause = around.setTimeout(
      () => {
        failures += 1;
        endPause();
        step();
      },
      askedMs + around.Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** failures),
    );
  }

  const queue = {
    refused: false, // by the viewer, until the page is left

    /** Goes on with what is stored, but for what was made before a sign-out. Where storage cannot be read: as it was. */
    load(): void {
      left = false;
      quietly(() => {
        const text = around.sessionStorage.getItem(key);
        if (text === OFF) off = true;
        else batches = fromText(text, around.Date.now(), Number(around.localStorage.getItem(SIGNED_OUT)));
      });
      step();
    },

    step,
    forget,
    add(event: string, count?: number): void {
      if (isStopped() || typeof event !== "string" || count === 0 || waiting.length >= MAX_WAITING) return;
      const waits = waiting.push([event, clampCount(count)]);
      if (waits === 1) {
        linger = around.setTimeout(() => {
          linger = 0;
          step();
        }, LINGER_MS);
      }
      if (waits >= MAX_CALLS) step();
    },

    /** Sends what waits at once: a hidden page may never be heard of again. What backs off goes on doing so. */
    hide: () => flush(send, pause ? batches : []),

    /** The page goes. A beacon gives no answer: what was sent by one stays, and is sent again if the page comes back. */
    leave(): void {
      flush((batch) => {
        // text/plain: a beacon of JSON to another origin would need a preflight, and be refused by old browsers
        quietly(() => around.navigator.sendBeacon(url, new Blob([toBody(batch)], { type: "text/plain" })));
      });
      left = true; // a page that comes back is told that it is visible before pageshow
      waiting = []; // beyond the batches: it has no id that tells whether the viewer has signed out before it comes back
    },

    /** The network is back: no need to wait, unless the server asked for it. */
    hurry(): void {
      if (askedMs) return;
      endPause();
      step();
    },

    /** A last try of everything at once; then it is forgotten. Settles when the tries have, or after two seconds. */
    finish(): Promise<unknown> {
      seal(Infinity);
      flush(send);
      forget();
      return Promise.race([Promise.all(flights.values()), sleep(LAST_TRY_MS)]); // those of an earlier call too
    },
  };
  return queue;
}
