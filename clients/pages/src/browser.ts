// The real world of live.ts: fetch, timers, visibility, the cookie.

import { AWAY, sortAnswer } from "./answers";
import type { Live, Sources } from "./live";
import { viewerIn } from "./viewer";

const TIMEOUT_MS = 15_000; // a server that has not answered by then is away, for who looks at the page

export const browser: Sources = {
  async get(path, signal) {
    try {
      const response = await fetch(path, {
        cache: "no-cache", // asks with If-None-Match: an answer that has not changed costs no body
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      return sortAnswer(response.status, response.headers.get("retry-after"), await response.json());
    } catch {
      return AWAY; // no connection, no answer in time, or no JSON
    }
  },
  setTimer(callback, ms) {
    const id = setTimeout(callback, ms);
    return () => clearTimeout(id);
  },
  now: Date.now,
  random: Math.random,
  visible: () => document.visibilityState === "visible",
  cookieViewer: () => viewerIn(document.cookie),
};

/** Tells `live` what happens to the page. */
export function followPage(live: Live): void {
  document.addEventListener("visibilitychange", live.visibilityChanged);
  addEventListener("online", live.now);
}
