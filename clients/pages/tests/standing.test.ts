import { describe, expect, test } from "vitest";
import { type Answer, readCounts, readRegistry, readSeries, sortAnswer } from "../src/answers";
import { standing, wordsFor } from "../src/standing";
import { cookieFor, EXPIRED_COOKIE, problemOf, viewerIn } from "../src/viewer";
import { daysIn, periodOf } from "../src/window";

const OK: Answer = { kind: "ok", body: { ok: true, viewer_id: "alice" } };
const NO: Answer = { kind: "unauthenticated" };
const OFF: Answer = { kind: "disabled" };
const BUSY: Answer = { kind: "limited", retryAfterS: 1 };
const GONE: Answer = { kind: "away", retryAfterS: 3 };

describe("who it is", () => {
  test.each([
    ["a session", OK, OK, undefined, { kind: "session", viewer: "alice", ignored: undefined }],
    ["a session that goes before the cookie", OK, OK, "bob", { kind: "session", viewer: "alice", ignored: "bob" }],
    ["the dev viewer, where only the summary answers", NO, OK, "bob", { kind: "dev viewer", viewer: "bob" }],
    ["a dev viewer whose name the page cannot read", NO, OK, undefined, { kind: "dev viewer", viewer: undefined }],
    ["nobody", NO, NO, undefined, { kind: "nobody", refused: undefined }],
    ["nobody, as the server refuses the cookie", NO, NO, "a@b.c", { kind: "nobody", refused: "a@b.c" }],
    ["switched off, signed in or not", NO, OFF, "bob", { kind: "disabled" }],
    ["away", GONE, GONE, "bob", { kind: "away" }],
    ["away, when only the summary is", OK, GONE, "bob", { kind: "away" }],
    ["limited, when who it is may not be asked so often", BUSY, BUSY, "bob", { kind: "limited" }],
    ["limited, when the summary may not", OK, BUSY, "bob", { kind: "limited" }],
    ["away, when a 200 names nobody", { kind: "ok", body: {} }, OK, undefined, { kind: "away" }],
  ] as const)("%s", (_, me, summary, cookie, expected) => {
    expect(standing(me, summary, cookie)).toEqual(expected);
  });

  test("is said plainly", () => {
    const at = new Date();
    expect(wordsFor({ kind: "session", viewer: "alice", ignored: undefined }, at).title).toBe("Signed in as alice");
    expect(wordsFor({ kind: "session", viewer: "alice", ignored: "bob" }, at).advice).toMatch(
      /session goes before.*bob/,
    );
    expect(wordsFor({ kind: "dev viewer", viewer: "bob" }, at)).toEqual({
      title: "Dev viewer bob",
      advice: "Dev viewer (sd_viewer), not a signed-in session. It works in debug only.",
    });
    expect(wordsFor({ kind: "nobody", refused: undefined }, undefined).title).toBe("Nobody is signed in");
    expect(wordsFor({ kind: "nobody", refused: undefined }, undefined).advice).toMatch(/^Nothing is counted until you/);
    expect(wordsFor({ kind: "limited" }, at)).toEqual({
      title: "Too many requests for this viewer",
      advice: wordsFor({ kind: "away" }, at).advice,
    });
    expect(wordsFor({ kind: "disabled" }, undefined).title).toBe("Telemetry is switched off");
    expect(wordsFor({ kind: "away" }, at).advice).toMatch(/^These are the figures of \d\d:\d\d:\d\d\./);
    expect(wordsFor({ kind: "away" }, undefined).advice).toMatch(/no figures yet/);
  });
});

describe("an answer", () => {
  test.each([
    [200, null, {}, { kind: "ok", body: {} }],
    [200, null, "text", { kind: "away", retryAfterS: 0 }],
    [401, null, {}, { kind: "unauthenticated" }],
    [404, null, { error: "telemetry_disabled" }, { kind: "disabled" }],
    [404, null, { error: "not_found" }, { kind: "away", retryAfterS: 0 }],
    [503, "7", {}, { kind: "away", retryAfterS: 7 }],
    [429, "99999", {}, { kind: "limited", retryAfterS: 600 }],
    [503, "-1", {}, { kind: "away", retryAfterS: 0 }],
    [503, "Wed, 21 Oct 2026 07:28:00 GMT", {}, { kind: "away", retryAfterS: 0 }],
  ] as const)("of %i, Retry-After %j, %j is %j", (status, retryAfter, body, expected) => {
    expect(sortAnswer(status, retryAfter, body)).toEqual(expected);
  });

  test("is read whole or not at all", () => {
    expect(readCounts({ counts: { a: 1 } })).toEqual({ a: 1 });
    for (const counts of [undefined, [], { a: "1" }, { a: -1 }, { a: 0.5 }])
      expect(readCounts({ counts })).toBeUndefined();
    const step = { start: "2026-11-16T00:00:00Z", counts: {} };
    expect(readSeries({ series: [step] })).toEqual([step]);
    expect(readSeries({ series: [step, { ...step, start: "soon" }] })).toBeUndefined();
    const event = { name: "a", part: "none", meaning: "" };
    expect(readRegistry({ events: [event] })).toEqual([event]);
    expect(readRegistry({ events: [{ ...event, part: "half" }] })).toBeUndefined();
  });
});

describe("the dev viewer", () => {
  test("takes the ids that the server takes", () => {
    for (const id of ["a", "A.b_c:d@e-9", "x".repeat(64)]) expect(problemOf(id)).toBeUndefined();
    for (const id of ["", "x".repeat(65), "a b", "a;b", "é", "a\n"]) expect(problemOf(id)).toEqual(expect.any(String));
  });

  test("is read from the cookie that names it, if that is an id", () => {
    expect(viewerIn(`theme=dark; ${cookieFor("bob").split(";")[0]}; x=1`)).toBe("bob");
    expect(viewerIn("not_sd_viewer=bob")).toBeUndefined();
    expect(viewerIn("sd_viewer=a b")).toBeUndefined();
    expect(viewerIn(`sd_viewer=${"x".repeat(65)}`)).toBeUndefined();
  });

  test("is set for thirty days on the whole site, and cleared where it was set", () => {
    expect(cookieFor("bob")).toBe("sd_viewer=bob; path=/; SameSite=Strict; max-age=2592000");
    expect(EXPIRED_COOKIE).toBe("sd_viewer=; path=/; SameSite=Strict; max-age=0");
  });
});

test("the window is read from the address", () => {
  expect(["", "#days=7", "#days=30", "#days=31"].map(daysIn)).toEqual([7, 7, 30, 7]);
});

test("figures of another window than the wanted one are not passed off as its own", () => {
  expect(periodOf(30, 30)).toBe("Last 30 days");
  expect(periodOf(7, 30)).toBe("Last 7 days, asking for 30");
});
