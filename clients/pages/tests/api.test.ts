import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { classifyResponse, parseCounts, parseRegistry, parseSeries } from "../src/api";

// The other clients' copies of the rule are tested with them too.
const RETRY_AFTERS: { header: string | null; seconds: number }[] = JSON.parse(
  readFileSync(new URL("../../../tests/golden/retry_after.json", import.meta.url), "utf8"),
);

describe("a response", () => {
  test.each([
    [200, null, {}, { kind: "ok", body: {} }],
    [200, null, "text", { kind: "unavailable", retryAfterS: 0 }],
    [401, null, {}, { kind: "unauthenticated" }],
    [404, null, { error: "telemetry_disabled" }, { kind: "disabled" }],
    [404, null, { error: "not_found" }, { kind: "unavailable", retryAfterS: 0 }],
    [503, "7", {}, { kind: "unavailable", retryAfterS: 7 }],
    [429, "99999", {}, { kind: "rate-limited", retryAfterS: 600 }],
    [503, "-1", {}, { kind: "unavailable", retryAfterS: 0 }],
    [503, "Wed, 21 Oct 2026 07:28:00 GMT", {}, { kind: "unavailable", retryAfterS: 0 }],
  ] as const)("of %i, Retry-After %j, %j is %j", (status, retryAfter, body, expected) => {
    expect(classifyResponse(status, retryAfter, body)).toEqual(expected);
  });

  test.each(RETRY_AFTERS)("with Retry-After $header asks for $seconds s", ({ header, seconds }) => {
    expect(classifyResponse(503, header, {})).toEqual({ kind: "unavailable", retryAfterS: seconds });
  });

  test("is parsed as a whole or not at all", () => {
    expect(parseCounts({ counts: { a: 1 } })).toEqual({ a: 1 });
    for (const counts of [undefined, [], { a: "1" }, { a: -1 }, { a: 0.5 }])
      expect(parseCounts({ counts })).toBeUndefined();
    const step = { start: "2026-11-16T00:00:00Z", counts: {} };
    expect(parseSeries({ series: [step] })).toEqual([step]);
    expect(parseSeries({ series: [step, { ...step, start: "soon" }] })).toBeUndefined();
    const event = { name: "a", label: "A", meaning: "", retired: false };
    const rate = { name: "r", label: "R", numerator: "a", denominator: "a" };
    const registry = { events: [event], rates: [rate] };
    expect(parseRegistry({ ok: true, ...registry })).toEqual(registry);
    for (const bad of [
      { events: [] },
      { events: [{ ...event, retired: "no" }] },
      { events: [{ ...event, label: 1 }] },
      { rates: undefined },
      { rates: [{ ...rate, denominator: undefined }] },
    ])
      expect(parseRegistry({ ...registry, ...bad })).toBeUndefined();
  });

  test("tells events of the same label apart", () => {
    const events = ["a", "b", "c"].map((name) => ({
      name,
      label: name === "c" ? "C" : "Same",
      meaning: "",
      retired: false,
    }));
    const labels = parseRegistry({ events, rates: [] })?.events.map(({ label }) => label);
    expect(labels).toEqual(["Same (a)", "Same (b)", "C"]);
  });
});
