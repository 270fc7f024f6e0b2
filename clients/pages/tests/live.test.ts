import { expect, test } from "vitest";
import { type Answer, AWAY } from "../src/answers";
import { EVENTS_URL, type Live, live, type Snapshot, type Sources } from "../src/live";
import { BEAT_MS, waitMs } from "../src/pace";

const ME = "/api/auth/me";
const SUMMARY = "/api/telemetry/summary?days=7";
const SERIES = "/api/telemetry/series?days=7&interval=day";
const ok = (body: object): Answer => ({ kind: "ok", body });
const NOBODY: Answer = { kind: "unauthenticated" };
const EVENTS = ok({ events: [{ name: "a", part: "shown", meaning: "" }] });

/** A page with a clock, a visibility and a server that are moved by hand. */
class FakePage implements Sources {
  answers: Record<string, Answer> = {
    [ME]: ok({ viewer_id: "eve" }),
    [SUMMARY]: ok({ counts: { a: 3 } }),
    [EVENTS_URL]: EVENTS,
  };
  asked: string[] = [];
  shown: Snapshot[] = [];
  days = 7;
  seen = true;
  hold: Promise<void> | undefined;
  #time = 0;
  #timers: { at: number; callback: () => void }[] = [];
  readonly live: Live;

  constructor(withSeries = false) {
    this.live = live(this, { daysWanted: () => this.days, withSeries }, (snapshot) => this.shown.push(snapshot));
  }

  async get(path: string): Promise<Answer> {
    this.asked.push(path);
    await this.hold;
    return this.answers[path] ?? AWAY;
  }
  random(): number {
    return 0.5;
  }
  now(): number {
    return this.#time;
  }
  visible(): boolean {
    return this.seen;
  }
  cookieViewer(): string {
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

  get rounds(): number {
    return this.asked.filter((path) => path === ME).length;
  }
  get last(): Snapshot {
    const snapshot = this.shown.at(-1);
    if (!snapshot) throw new Error("nothing was shown");
    return snapshot;
  }
}

/** Lets every promise that can go on do so: a macrotask comes after all of them. */
const settled = () => new Promise<void>((resolve) => void setImmediate(resolve));

test("a page shows the counts, asks who it is first, and asks for the registry once", async () => {
  const page = new FakePage();
  await page.pass(2 * BEAT_MS);
  expect(page.last).toMatchObject({
    standing: { kind: "session", viewer: "eve" },
    figures: { counts: { a: 3 }, days: 7 },
  });
  expect(page.asked).toEqual([ME, SUMMARY, EVENTS_URL, ME, SUMMARY, ME, SUMMARY]);
});

test("a session is asked for in every round: another may take its place", async () => {
  const page = new FakePage();
  await page.pass(0);
  page.answers[ME] = ok({ viewer_id: "mallory" });
  await page.pass(BEAT_MS);
  expect(page.last.standing).toMatchObject({ kind: "session", viewer: "mallory" });
});

test("that nobody is signed in is asked again after half a minute, or when the page is seen again", async () => {
  const page = new FakePage();
  page.answers[ME] = NOBODY;
  await page.pass(14 * BEAT_MS);
  page.answers[ME] = ok({ viewer_id: "eve" });
  expect(page.last.standing.kind).toBe("dev viewer");
  await page.pass(BEAT_MS);
  expect(page.last.standing).toMatchObject({ kind: "session", viewer: "eve" });
  page.answers[ME] = NOBODY;
  await page.pass(BEAT_MS);
  page.answers[ME] = ok({ viewer_id: "eve" });
  page.live.visibilityChanged();
  await page.pass(BEAT_MS);
  expect(page.last.standing).toMatchObject({ kind: "session", viewer: "eve" });
});

test("that nobody is signed in is asked again as soon as the summary says otherwise than before", async () => {
  const page = new FakePage();
  page.answers[ME] = NOBODY;
  page.answers[SUMMARY] = NOBODY;
  await page.pass(BEAT_MS);
  expect(page.last.standing.kind).toBe("nobody");
  page.answers[ME] = ok({ viewer_id: "eve" });
  page.answers[SUMMARY] = ok({ counts: { a: 1 } });
  await page.pass(BEAT_MS);
  expect(page.last.standing).toMatchObject({ kind: "session", viewer: "eve" });
});

test("a hidden page asks nothing, and asks at once when it is seen again", async () => {
  const page = new FakePage();
  await page.pass(BEAT_MS);
  page.seen = false;
  page.live.visibilityChanged();
  const before = page.rounds;
  await page.pass(100 * BEAT_MS);
  expect(page.rounds).toBe(before);
  page.seen = true;
  page.live.visibilityChanged();
  await page.pass(0);
  expect(page.rounds).toBe(before + 1);
});

test("questions never overlap, however long the answers take", async () => {
  const page = new FakePage();
  let release = () => {};
  page.hold = new Promise((resolve) => {
    release = resolve;
  });
  await page.pass(100 * BEAT_MS);
  page.live.visibilityChanged();
  await page.pass(BEAT_MS);
  expect(page.rounds).toBe(1);
  release();
  await page.pass(BEAT_MS);
  expect(page.rounds).toBe(2);
});

test("a question that was given up does not start another beside the one that took over", async () => {
  const page = new FakePage();
  page.answers = {}; // as what was aborted ends
  let release = () => {};
  page.hold = new Promise((resolve) => {
    release = resolve;
  });
  await page.pass(0);
  page.hold = new Promise(() => {});
  page.live.now();
  release();
  await page.pass(100 * BEAT_MS);
  expect(page.rounds).toBe(2);
});

test("what was asked for another window is not shown", async () => {
  const page = new FakePage();
  page.answers["/api/telemetry/summary?days=30"] = ok({ counts: { a: 9 } });
  let release = () => {};
  page.hold = new Promise((resolve) => {
    release = resolve;
  });
  await page.pass(0);
  page.days = 30;
  page.live.now();
  release();
  await page.pass(0);
  expect(page.shown.map(({ figures }) => figures?.days)).toEqual([undefined, 30]);
});

test("while the server is away the figures stay, with their time; they are fresh when it is back", async () => {
  const page = new FakePage();
  await page.pass(0);
  const { figures } = page.last;
  page.answers[SUMMARY] = AWAY;
  await page.pass(BEAT_MS);
  expect(page.last).toMatchObject({ standing: { kind: "away" }, figures: { at: figures?.at } });
  page.answers[SUMMARY] = ok({ counts: { a: 4 } });
  await page.pass(60_000);
  expect(page.last).toMatchObject({ standing: { kind: "session" }, figures: { counts: { a: 4 } } });
});

test.each([
  ME,
  SUMMARY,
  SERIES,
])("a rate limit on %s is no outage: the figures stay, and are asked for later", async (path) => {
  const page = new FakePage(true);
  page.answers[SERIES] = ok({ series: [] });
  await page.pass(0);
  const { figures } = page.last;
  page.answers[path] = { kind: "limited", retryAfterS: 50 };
  await page.pass(49_000);
  expect(page.rounds).toBe(2);
  expect(page.last).toEqual({ ...page.last, standing: { kind: "limited" }, figures });
});

test("figures never come from half of the answers", async () => {
  const page = new FakePage(true);
  page.answers[SERIES] = AWAY;
  await page.pass(0);
  expect(page.last).toMatchObject({ standing: { kind: "away" }, figures: undefined });
});

test.each(["away", "limited"] as const)("Retry-After is kept when the answer is %s", async (kind) => {
  const page = new FakePage();
  page.answers[SUMMARY] = { kind, retryAfterS: 50 };
  await page.pass(49_000);
  expect(page.rounds).toBe(1);
  await page.pass(10_000);
  expect(page.rounds).toBe(2);
});

test.each([
  ["unauthenticated"],
  ["disabled"],
] as const)("no figures stay when the answer is %s, and it goes on asking", async (kind) => {
  const page = new FakePage();
  await page.pass(0);
  page.answers[SUMMARY] = { kind };
  await page.pass(BEAT_MS);
  expect(page.last.figures).toBeUndefined();
  page.answers[SUMMARY] = ok({ counts: {} });
  await page.pass(BEAT_MS);
  expect(page.last.figures?.counts).toEqual({});
});

test("another viewer never sees the figures of the one before", async () => {
  const page = new FakePage();
  await page.pass(0);
  page.answers = {};
  page.live.viewerChanged();
  expect(page.last.figures).toBeUndefined();
  await page.pass(0);
  expect(page.last).toMatchObject({ standing: { kind: "away" }, figures: undefined });
});

test("an answer that cannot be read counts as away", async () => {
  const page = new FakePage();
  page.answers[SUMMARY] = ok({ counts: "many" });
  await page.pass(0);
  expect(page.last.standing.kind).toBe("away");
});

test("the wait doubles from a beat up to half a minute, half of it random", () => {
  expect([0, 1, 2, 3, 4, 5, 9].map((failures) => waitMs(failures, 0, 0.999999))).toEqual(
    [2, 2, 4, 8, 16, 30, 30].map((seconds) => expect.closeTo(seconds * 1000, -2)),
  );
  expect(waitMs(3, 0, 0)).toBe(4_000);
  expect(waitMs(1, 20, 0.5)).toBe(21_000);
});
