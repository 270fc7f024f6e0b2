import { expect, test } from "vitest";
import { type ApiResult, UNAVAILABLE } from "../src/api";
import { type CountsFeed, EVENTS_URL, type FeedEnvironment, type Snapshot, startCountsFeed } from "../src/counts-feed";
import { POLL_INTERVAL_MS } from "../src/polling";
import { event, registryOf } from "./registry-of";

const ME = "/api/auth/me";
const SUMMARY = "/api/telemetry/summary?days=7";
const SERIES = "/api/telemetry/series?days=7&interval=day";
const ok = (body: object): ApiResult => ({ kind: "ok", body });
const UNAUTHENTICATED: ApiResult = { kind: "unauthenticated" };
const EVENTS = ok(registryOf([event("a")]));

/** A page whose clock, visibility and server the test controls. */
class FakePage implements FeedEnvironment {
  responses: Record<string, ApiResult> = {
    [ME]: ok({ viewer_id: "eve" }),
    [SUMMARY]: ok({ counts: { a: 3 } }),
    [EVENTS_URL]: EVENTS,
  };
  asked: string[] = [];
  shown: Snapshot[] = [];
  days = 7;
  visible = true;
  hold: Promise<void> | undefined;
  #time = 0;
  #timers: { at: number; callback: () => void }[] = [];
  readonly feed: CountsFeed;

  constructor(withSeries = false) {
    this.feed = startCountsFeed(this, { windowDays: () => this.days, withSeries }, (snapshot) =>
      this.shown.push(snapshot),
    );
  }

  async get(path: string): Promise<ApiResult> {
    this.asked.push(path);
    await this.hold;
    return this.responses[path] ?? UNAVAILABLE;
  }
  random(): number {
    return 0.5;
  }
  now(): number {
    return this.#time;
  }
  isVisible(): boolean {
    return this.visible;
  }
  devViewer(): string {
    return "bob";
  }
  setTimer(callback: () => void, ms: number): () => void {
    const timer = { at: this.#time + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  async pass(ms: number): Promise<void> {
    const until = this.#time + ms;
    for (await settled(); ; await settled()) {
      const next = this.#timers.filter((timer) => timer.at <= until).sort((one, other) => one.at - other.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#time = Math.max(this.#time, next.at);
      next.callback();
    }
    this.#time = until;
  }

  get polls(): number {
    return this.asked.filter((path) => path === ME).length;
  }
  get last(): Snapshot {
    const snapshot = this.shown.at(-1);
    if (!snapshot) throw new Error("nothing was shown");
    return snapshot;
  }
}

/** Runs all pending microtasks: a macrotask comes after them. */
const settled = () => new Promise<void>((resolve) => void setImmediate(resolve));

test("a page shows the counts, requests the viewer first, and the registry once", async () => {
  const page = new FakePage();
  await page.pass(2 * POLL_INTERVAL_MS);
  expect(page.last).toMatchObject({
    status: { kind: "session", viewer: "eve" },
    result: { counts: { a: 3 }, days: 7 },
  });
  expect(page.asked).toEqual([ME, SUMMARY, EVENTS_URL, ME, SUMMARY, ME, SUMMARY]);
});

test("every poll asks for the session: another may have replaced it", async () => {
  const page = new FakePage();
  await page.pass(0);
  page.responses[ME] = ok({ viewer_id: "mallory" });
  await page.pass(POLL_INTERVAL_MS);
  expect(page.last.status).toMatchObject({ kind: "session", viewer: "mallory" });
});

test("a 401 is cached for half a minute, or until the page is visible again", async () => {
  const page = new FakePage();
  page.responses[ME] = UNAUTHENTICATED;
  await page.pass(14 * POLL_INTERVAL_MS);
  page.responses[ME] = ok({ viewer_id: "eve" });
  expect(page.last.status.kind).toBe("dev-viewer");
  await page.pass(POLL_INTERVAL_MS);
  expect(page.last.status).toMatchObject({ kind: "session", viewer: "eve" });
  page.responses[ME] = UNAUTHENTICATED;
  await page.pass(POLL_INTERVAL_MS);
  page.responses[ME] = ok({ viewer_id: "eve" });
  page.feed.visibilityChanged();
  await page.pass(POLL_INTERVAL_MS);
  expect(page.last.status).toMatchObject({ kind: "session", viewer: "eve" });
});

test("a cached 401 is dropped as soon as the summary is answered otherwise", async () => {
  const page = new FakePage();
  page.responses[ME] = UNAUTHENTICATED;
  page.responses[SUMMARY] = UNAUTHENTICATED;
  await page.pass(POLL_INTERVAL_MS);
  expect(page.last.status.kind).toBe("signed-out");
  page.responses[ME] = ok({ viewer_id: "eve" });
  page.responses[SUMMARY] = ok({ counts: { a: 1 } });
  await page.pass(POLL_INTERVAL_MS);
  expect(page.last.status).toMatchObject({ kind: "session", viewer: "eve" });
});

test("a hidden page does not poll, and polls at once when it is visible again", async () => {
  const page = new FakePage();
  await page.pass(POLL_INTERVAL_MS);
  page.visible = false;
  page.feed.visibilityChanged();
  const before = page.polls;
  await page.pass(100 * POLL_INTERVAL_MS);
  expect(page.polls).toBe(before);
  page.visible = true;
  page.feed.visibilityChanged();
  await page.pass(0);
  expect(page.polls).toBe(before + 1);
});

test("polls never overlap, however long the server takes", async () => {
  const page = new FakePage();
  let release = () => {};
  page.hold = new Promise((resolve) => {
    release = resolve;
  });
  await page.pass(100 * POLL_INTERVAL_MS);
  page.feed.visibilityChanged();
  await page.pass(POLL_INTERVAL_MS);
  expect(page.polls).toBe(1);
  release();
  await page.pass(POLL_INTERVAL_MS);
  expect(page.polls).toBe(2);
});

test("an aborted poll does not start another beside the one that replaced it", async () => {
  const page = new FakePage();
  page.responses = {}; // an aborted request is unavailable
  let release = () => {};
  page.hold = new Promise((resolve) => {
    release = resolve;
  });
  await page.pass(0);
  page.hold = new Promise(() => {});
  page.feed.pollNow();
  release();
  await page.pass(100 * POLL_INTERVAL_MS);
  expect(page.polls).toBe(2);
});

test("the answer for another window is not shown", async () => {
  const page = new FakePage();
  page.responses["/api/telemetry/summary?days=30"] = ok({ counts: { a: 9 } });
  let release = () => {};
  page.hold = new Promise((resolve) => {
    release = resolve;
  });
  await page.pass(0);
  page.days = 30;
  page.feed.pollNow();
  release();
  await page.pass(0);
  expect(page.shown.map(({ result }) => result?.days)).toEqual([undefined, 30]);
});

test("during an outage the counts stay, with their time; they are fresh afterwards", async () => {
  const page = new FakePage();
  await page.pass(0);
  const { result } = page.last;
  page.responses[SUMMARY] = UNAVAILABLE;
  await page.pass(POLL_INTERVAL_MS);
  expect(page.last).toMatchObject({ status: { kind: "unavailable" }, result: { readAt: result?.readAt } });
  page.responses[SUMMARY] = ok({ counts: { a: 4 } });
  await page.pass(60_000);
  expect(page.last).toMatchObject({ status: { kind: "session" }, result: { counts: { a: 4 } } });
});

test("after an outage the registry is read again: the server may have come back with another", async () => {
  const page = new FakePage();
  await page.pass(0);
  page.responses[ME] = UNAVAILABLE;
  await page.pass(POLL_INTERVAL_MS);
  page.responses[ME] = ok({ viewer_id: "eve" });
  page.responses[EVENTS_URL] = ok(registryOf([event("b")]));
  await page.pass(60_000);
  expect(page.last.registry?.events.map(({ name }) => name)).toEqual(["b"]);
  expect(page.asked.filter((path) => path === EVENTS_URL)).toHaveLength(2);
});

test.each([
  ME,
  SUMMARY,
  SERIES,
])("a rate limit on %s is no outage: the counts stay, and the next poll is later", async (path) => {
  const page = new FakePage(true);
  page.responses[SERIES] = ok({ series: [] });
  await page.pass(0);
  const { result } = page.last;
  page.responses[path] = { kind: "rate-limited", retryAfterS: 50 };
  await page.pass(49_000);
  expect(page.polls).toBe(2);
  expect(page.last).toEqual({ ...page.last, status: { kind: "rate-limited" }, result });
});

test("a result is never built from half of the responses", async () => {
  const page = new FakePage(true);
  page.responses[SERIES] = UNAVAILABLE;
  await page.pass(0);
  expect(page.last).toMatchObject({ status: { kind: "unavailable" }, result: undefined });
});

test.each(["unavailable", "rate-limited"] as const)("Retry-After is obeyed when the response is %s", async (kind) => {
  const page = new FakePage();
  page.responses[SUMMARY] = { kind, retryAfterS: 50 };
  await page.pass(49_000);
  expect(page.polls).toBe(1);
  await page.pass(10_000);
  expect(page.polls).toBe(2);
});

test.each([
  ["unauthenticated"],
  ["disabled"],
] as const)("no counts stay when the response is %s, and polling goes on", async (kind) => {
  const page = new FakePage();
  await page.pass(0);
  page.responses[SUMMARY] = { kind };
  await page.pass(POLL_INTERVAL_MS);
  expect(page.last.result).toBeUndefined();
  page.responses[SUMMARY] = ok({ counts: {} });
  await page.pass(POLL_INTERVAL_MS);
  expect(page.last.result?.counts).toEqual({});
});

test("a viewer never sees the counts of the previous one", async () => {
  const page = new FakePage();
  await page.pass(0);
  page.responses = {};
  page.feed.viewerChanged();
  expect(page.last.result).toBeUndefined();
  await page.pass(0);
  expect(page.last).toMatchObject({ status: { kind: "unavailable" }, result: undefined });
});

test("a malformed body counts as unavailable", async () => {
  const page = new FakePage();
  page.responses[SUMMARY] = ok({ counts: "many" });
  await page.pass(0);
  expect(page.last.status.kind).toBe("unavailable");
});
