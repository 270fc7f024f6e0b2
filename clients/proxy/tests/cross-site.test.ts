import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isCrossSite } from "../src/cross-site";

interface Vector {
  origin: string | null;
  fetch_site: string | null;
  host: string | null;
  allowed: string[];
  refused: boolean;
  why: string;
}

// The gateway's copy of the rule is tested with them too: tests/unit/web/test_cross_site.py.
const VECTORS: Vector[] = JSON.parse(
  readFileSync(new URL("../../../tests/golden/cross_site.json", import.meta.url), "utf8"),
);

test.each(VECTORS)("$why: Origin $origin, Sec-Fetch-Site $fetch_site, Host $host", (vector) => {
  const { origin, fetch_site, host, allowed, refused } = vector;
  expect(isCrossSite(origin, fetch_site, host, new Set(allowed))).toBe(refused);
});
