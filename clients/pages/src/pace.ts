// How often a page asks: in a steady beat while it is seen, more and more slowly while the server is away.

export const BEAT_MS = 2_000; // a count is visible within a second or two of being sent: asking more often shows nothing new
const MAX_BACKOFF_MS = 30_000; // somebody is looking: a server that is back should be seen within half a minute

/**
 * Milliseconds until the next question. `failures` counts those in a row; `random` is in [0, 1).
 *
 * Half of a doubling wait is random, so that many pages do not come back at once; the server's Retry-After is kept.
 */
export function waitMs(failures: number, retryAfterS: number, random: number): number {
  if (failures === 0) return BEAT_MS;
  const backoff = Math.min(BEAT_MS * 2 ** (failures - 1), MAX_BACKOFF_MS);
  return Math.max(backoff * (0.5 + random / 2), retryAfterS * 1000 * (1 + random / 10));
}

/** What the pace needs of the world. `setTimer` returns what cancels it. */
export interface World {
  visible(): boolean;
  now(): number;
  setTimer(callback: () => void, ms: number): () => void;
}

export interface Pace {
  /** Asks at once; an answer still under way is abandoned. */
  now(): void;
  /** To be called when the page is shown or hidden. */
  visibilityChanged(): void;
}

/** Runs `ask` again and again, never twice at a time, and not while hidden. `ask` resolves to the next wait in ms. */
export function keepAsking(ask: (signal: AbortSignal) => Promise<number>, world: World): Pace {
  let underWay: AbortController | undefined;
  let cancelTimer = () => {};
  let dueAt = world.now();

  async function run(): Promise<void> {
    cancelTimer();
    underWay?.abort();
    const mine = new AbortController();
    underWay = mine;
    const wait = await ask(mine.signal);
    if (underWay !== mine) return; // a later question took over
    underWay = undefined;
    dueAt = world.now() + wait;
    schedule();
  }

  function schedule(): void {
    cancelTimer();
    if (world.visible() && !underWay) cancelTimer = world.setTimer(() => void run(), Math.max(0, dueAt - world.now()));
  }

  schedule();
  return { now: () => void run(), visibilityChanged: schedule };
}
