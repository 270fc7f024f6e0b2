// In a file without imports, as the build writes constants of such a file where they are used.
export const MAX_COUNT = 50; // of one entry: the server clamps there
export const MAX_CALLS = 50; // in one batch
export const MAX_BATCHES = 20; // waiting for an answer, in memory and in storage: 1,000 calls
export const MAX_WAITING = 1000; // calls not in a batch yet: a long outage costs counts, never memory
export const MAX_AGE_MS = 540_000; // of a batch: the server forgets an id after 10 minutes; one is for the way there
export const LINGER_MS = 2000; // a burst of clicks becomes one request
export const BASE_MS = 1000; // back-off: full jitter under 1 s, 2 s, 4 s …
export const CAP_MS = 60_000; // … up to a minute
export const PATIENCE_MS = 30_000; // a request without an answer for so long is a network error
export const LAST_TRY_MS = 2000; // how long a sign-out may wait for us
