import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { outcomeOf } from "../src/response";
import { respond } from "./fake-browser";

// The other clients' copies of the rule are tested with them too.
const RETRY_AFTERS: { header: string | null; seconds: number }[] = JSON.parse(
  readFileSync(new URL("../../../tests/golden/retry_after.json", import.meta.url), "utf8"),
);

test.each(RETRY_AFTERS)("Retry-After $header is $seconds s", async ({ header, seconds }) => {
  expect(await outcomeOf(respond(503, header === null ? {} : { "retry-after": header }))).toBe(seconds * 1000);
});
