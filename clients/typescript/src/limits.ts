// This file has no imports: esbuild inlines numbers only from such files.
export const MAX_COUNT = 50; // of one entry: the server clamps there
export const MAX_CALLS = 50; // of one batch
export const MAX_BATCHES = 20; // unacknowledged, in memory and in storage: 1,000 calls
export const MAX_WAITING = 1000; // calls without a batch: a long outage costs counts, never memory
export const MAX_AGE_MS = 540_000; // of a batch: the server forgets an id after 10 minutes; one minute is for the request
export const LINGER_MS = 2000; // a burst of clicks becomes one request
export const BASE_MS = 1000; // back-off: full jitter under 1 s, 2 s, 4 s …
export const CAP_MS = 60_000; // … up to a minute
export const REQUEST_TIMEOUT_MS = 30_000; // a request without a response by then has failed
export const LAST_TRY_MS = 2000; // how long reset() may delay a sign-out
