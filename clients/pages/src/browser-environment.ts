// The browser's implementation of FeedEnvironment: fetch, timers, visibility, the dev viewer's cookie.

import { classifyResponse, UNAVAILABLE } from "./api";
import type { CountsFeed, FeedEnvironment } from "./counts-feed";
import { viewerFromCookies } from "./dev-viewer";

const TIMEOUT_MS = 15_000; // someone is looking at the page: a slower answer counts as none

export const browserEnvironment: FeedEnvironment = {
  async get(path, signal) {
    try {
      const response = await fetch(path, {
        cache: "no-cache", // revalidates with If-None-Match: an unchanged answer costs no body
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      return classifyResponse(response.status, response.headers.get("retry-after"), await response.json());
    } catch {
      return UNAVAILABLE; // no connection, no answer in time, or no JSON
    }
  },
  setTimer(callback, ms) {
    const id = setTimeout(callback, ms);
    return () => clearTimeout(id);
  },
  now: Date.now,
  random: Math.random,
  isVisible: () => document.visibilityState === "visible",
  devViewer: () => viewerFromCookies(document.cookie),
};

/** Forwards the page's events to the feed. */
export function followPageEvents(feed: CountsFeed): void {
  document.addEventListener("visibilitychange", feed.visibilityChanged);
  addEventListener("online", feed.pollNow);
}
