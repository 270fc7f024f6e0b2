import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { sessionPairs } from "../src/cookies";

interface Vector {
  cookie: string;
  sent: string | null;
  why: string;
}

// The gateway's copy of the rule is tested with them too: tests/golden/test_client_rules.py.
const VECTORS: Vector[] = JSON.parse(
  readFileSync(new URL("../../../tests/golden/session_cookie.json", import.meta.url), "utf8"),
);

test.each(VECTORS)("$why: of $cookie the proxy forwards $sent", ({ cookie, sent }) => {
  expect(sessionPairs(cookie, "sessionid")).toEqual(sent === null ? [] : sent.split("; "));
});
