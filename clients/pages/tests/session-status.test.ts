import { describe, expect, test } from "vitest";
import type { ApiResult } from "../src/api";
import { describeStatus, sessionStatus } from "../src/session-status";

const OK: ApiResult = { kind: "ok", body: { ok: true, viewer_id: "alice" } };
const NO: ApiResult = { kind: "unauthenticated" };
const OFF: ApiResult = { kind: "disabled" };
const BUSY: ApiResult = { kind: "rate-limited", retryAfterS: 1 };
const GONE: ApiResult = { kind: "unavailable", retryAfterS: 3 };

describe("the session status", () => {
  test.each([
    ["a session", OK, OK, undefined, { kind: "session", viewer: "alice", ignored: undefined }],
    ["a session that goes before the cookie", OK, OK, "bob", { kind: "session", viewer: "alice", ignored: "bob" }],
    ["the dev viewer, where only the summary answers", NO, OK, "bob", { kind: "dev-viewer", viewer: "bob" }],
    ["a dev viewer whose name the page cannot read", NO, OK, undefined, { kind: "dev-viewer", viewer: undefined }],
    ["nobody", NO, NO, undefined, { kind: "signed-out", refused: undefined }],
    ["nobody, as the server refuses the cookie", NO, NO, "a@b.c", { kind: "signed-out", refused: "a@b.c" }],
    ["switched off, signed in or not", NO, OFF, "bob", { kind: "disabled" }],
    ["away", GONE, GONE, "bob", { kind: "unavailable" }],
    ["away, when only the summary is", OK, GONE, "bob", { kind: "unavailable" }],
    ["limited, when who it is may not be asked so often", BUSY, BUSY, "bob", { kind: "rate-limited" }],
    ["limited, when the summary may not", OK, BUSY, "bob", { kind: "rate-limited" }],
    ["away, when a 200 names nobody", { kind: "ok", body: {} }, OK, undefined, { kind: "unavailable" }],
  ] as const)("%s", (_, me, summary, cookie, expected) => {
    expect(sessionStatus(me, summary, cookie)).toEqual(expected);
  });

  test("is described in words", () => {
    const at = new Date();
    expect(describeStatus({ kind: "session", viewer: "alice", ignored: undefined }, at).title).toBe(
      "Signed in as alice",
    );
    expect(describeStatus({ kind: "session", viewer: "alice", ignored: "bob" }, at).advice).toMatch(
      /session goes before.*bob/,
    );
    expect(describeStatus({ kind: "dev-viewer", viewer: "bob" }, at)).toEqual({
      title: "Dev viewer bob",
      advice: "Dev viewer (sd_viewer), not a signed-in session. It works in debug only.",
    });
    expect(describeStatus({ kind: "signed-out", refused: undefined }, undefined).title).toBe("Nobody is signed in");
    expect(describeStatus({ kind: "signed-out", refused: undefined }, undefined).advice).toMatch(
      /^Nothing is counted until you/,
    );
    expect(describeStatus({ kind: "rate-limited" }, at)).toEqual({
      title: "Too many requests for this viewer",
      advice: describeStatus({ kind: "unavailable" }, at).advice,
    });
    expect(describeStatus({ kind: "disabled" }, undefined).title).toBe("Telemetry is switched off");
    expect(describeStatus({ kind: "unavailable" }, at).advice).toMatch(/^These are the figures of \d\d:\d\d:\d\d\./);
    expect(describeStatus({ kind: "unavailable" }, undefined).advice).toMatch(/no figures yet/);
  });
});
