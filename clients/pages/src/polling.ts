// Polling: at a steady interval while the page is visible, with exponential back-off while the server fails.

export const POLL_INTERVAL_MS = 2_000; // a count is visible within a second or two: polling faster shows nothing new
const MAX_BACKOFF_MS = 30_000; // somebody is looking: a server that recovers should be noticed within half a minute

/**
 * Milliseconds until the next poll. `failures` counts consecutive failed polls; `random` is in [0, 1).
 *
 * Half of the doubling wait is random, so that many pages do not return at once. Retry-After is a lower bound.
 */
export function pollDelayMs(failures: number, retryAfterS: number, random: number): number {
  if (failures === 0) return POLL_INTERVAL_MS;
  const backoff = Math.min(POLL_INTERVAL_MS * 2 ** (failures - 1), MAX_BACKOFF_MS);
  return Math.max(backoff * (0.5 + random / 2), retryAfterS * 1000 * (1 + random / 10));
}

/** The browser features that polling uses. `setTimer` returns a function that cancels the timer. */
export interface PollingEnvironment {
  isVisible(): boolean;
  now(): number;
  setTimer(callback: () => void, ms: number): () => void;
}

export interface Poller {
  /** Polls at once; aborts a poll that is still in flight. */
  pollNow(): void;
  /** To be called when the page is shown or hidden. */
  visibilityChanged(): void;
}

/** Calls `poll` again and again: one at a time, and only while visible. `poll` resolves to the next wait in ms. */
export function startPolling(poll: (signal: AbortSignal) => Promise<number>, environment: PollingEnvironment): Poller {
  let inFlight: AbortController | undefined;
  let cancelTimer = () => {};
  let dueAt = environment.now();

  async function run(): Promise<void> {
    cancelTimer();
    inFlight?.abort();
    const controller = new AbortController();
    inFlight = controller;
    const wait = await poll(controller.signal);
    if (inFlight !== controller) return; // a later poll replaced this one
    inFlight = undefined;
    dueAt = environment.now() + wait;
    schedule();
  }

  function schedule(): void {
    cancelTimer();
    if (!environment.isVisible() || inFlight) return;
    cancelTimer = environment.setTimer(() => void run(), Math.max(0, dueAt - environment.now()));
  }

  schedule();
  return { pollNow: () => void run(), visibilityChanged: schedule };
}
