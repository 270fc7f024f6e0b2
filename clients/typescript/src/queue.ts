import { addUp, type Batch, clampCount, type Entry, fromText, MAX_BATCHES, MAX_CALLS, toBody, toText } from "./batch";
import { isSendable, newId } from "./id";
import { lastSignOut } from "./sign_out";
import { quietly, type Surroundings } from "./surroundings";
import { judge, type Verdict } from "./verdict";

const MAX_WAITING = 1000; // calls not in a batch yet: a long outage costs counts, never memory
const LINGER_MS = 2000; // a burst of clicks becomes one request
const BASE_MS = 1000; // back-off: full jitter under 1 s, 2 s, 4 s …
const CAP_MS = 60_000; // … up to a minute
const PATIENCE_MS = 30_000; // a request without an answer for so long is a network error
const LAST_TRY_MS = 2000; // how long a sign-out may wait for us
const OFF = "off";

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
  let linger: number | undefined; // timer
  let lingered = false; // what waits has waited long enough
  let pause: number | undefined; // timer of the back-off
  let askedMs = 0; // the longest Retry-After of this back-off
  let failures = 0; // back-offs since the last answer that was none
  let stopped = false; // until the page is left
  let off = false; // until the tab is closed: the server counts nothing

  function save(): void {
    const text = off ? OFF : toText(batches);
    quietly(() => (text ? around.sessionStorage.setItem(key, text) : around.sessionStorage.removeItem(key)));
  }

  function load(): void {
    quietly(() => {
      const text = around.sessionStorage.getItem(key);
      if (text === OFF) turnOff();
      else batches = fromText(text, around.Date.now(), lastSignOut(around)); // as they were, where storage cannot be read
    });
    step();
  }

  function forget(): void {
    waiting = [];
    batches = [];
    endPause();
    seal(0);
  }

  function stop(): void {
    stopped = true;
    forget();
  }

  function turnOff(): void {
    off = true;
    stop();
  }

  function isStopped(): boolean {
    if (!stopped && around.navigator.globalPrivacyControl === true) stop();
    return stopped;
  }

  function endPause(): void {
    around.clearTimeout(pause);
    pause = undefined;
    askedMs = 0;
  }

  /** Makes batches of what waits, while there are fewer than `maxBatches`, and drops those that are too old. */
  function seal(maxBatches: number): void {
    const now = around.Date.now();
    batches = batches.filter((batch) => flights.has(batch) || isSendable(batch[0], now));
    while (waiting.length > 0 && batches.length < maxBatches) {
      batches.push([newId(around), addUp(waiting.splice(0, MAX_CALLS))]);
    }
    if (waiting.length === 0) {
      lingered = false;
      around.clearTimeout(linger);
    }
    save();
  }

  /** Seals everything that waits, and hands on each batch that is neither under way nor among those to `skip`. */
  function flush(go: (batch: Batch) => void, skip: readonly Batch[] = []): void {
    if (isStopped()) return;
    seal(MAX_BATCHES);
    for (const batch of batches) if (!flights.has(batch) && !skip.includes(batch)) go(batch);
  }

  /** Does what is next, if anything: one request at a time, the oldest batch first. */
  function step(): void {
    if (isStopped() || pause || batches.some((batch) => flights.has(batch))) return;
    seal(lingered || waiting.length >= MAX_CALLS ? 1 : 0);
    if (batches[0]) send(batches[0]);
  }

  function send(batch: Batch): void {
    const flight = post(batch).then((verdict) => {
      flights.delete(batch);
      if (stopped) return;
      if (verdict === OFF) return turnOff();
      if (!batches.includes(batch)) return; // forgotten meanwhile
      if (verdict === "done") {
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
      const answer = around.fetch(url, {
        method: "POST",
        body: toBody(batch),
        headers: { "content-type": "application/json" },
        keepalive: true,
        credentials: "include",
        redirect: "manual",
        cache: "no-store",
        referrerPolicy: "no-referrer",
      });
      return await Promise.race([answer.then(judge), sleep(PATIENCE_MS)]);
    } catch {
      return 0; // a network error: it may or may not have been counted
    }
  }

  function beacon(batch: Batch): void {
    // text/plain: a beacon of JSON to another origin would need a preflight, and be refused by old browsers
    quietly(() => around.navigator.sendBeacon(url, new Blob([toBody(batch)], { type: "text/plain" })));
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

  load();

  return {
    load,
    step,
    forget,
    disable: stop,

    add(event: string, count?: number): void {
      if (isStopped() || typeof event !== "string" || waiting.length >= MAX_WAITING) return;
      const waits = waiting.push([event, clampCount(count)]);
      if (waits === 1) {
        linger = around.setTimeout(() => {
          lingered = true;
          step();
        }, LINGER_MS);
      }
      if (waits >= MAX_CALLS) step();
    },

    /** Sends what waits at once: a hidden page may never be heard of again. What backs off goes on doing so. */
    hide: () => flush(send, pause ? batches : []),

    /** The page goes. A beacon gives no answer: what was sent by one stays, and is sent again if the page comes back. */
    leave: () => flush(beacon),

    /** The network is back: no need to wait, unless the server asked for it. */
    hurry(): void {
      if (askedMs) return;
      endPause();
      step();
    },

    /** A last try of everything at once; then it is forgotten. Settles when the tries have, or after two seconds. */
    async finish(): Promise<void> {
      seal(Infinity);
      flush(send);
      forget();
      await Promise.race([Promise.all(flights.values()), sleep(LAST_TRY_MS)]); // those of an earlier call too
    },
  };
}
