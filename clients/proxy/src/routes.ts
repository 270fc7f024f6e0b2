import type { Settings } from "./settings";

const MAX_SINGLE_BYTES = 64 * 1024; // the gateway's limits: a larger body would be refused there
const MAX_BATCH_BYTES = 256 * 1024;
const QUERY_PARAMETERS = ["days", "interval", "compare", "tz"];
const MAX_PARAMETER_LENGTH = 16; // characters; longer than any valid value but a zone's, too short for text
const ZONE_NAME = /^[A-Za-z0-9_+/-]{1,40}$/; // the longest name has 32 characters
const NO_ZONE = ""; // is refused upstream, as a malformed tz must be: days of UTC would be no answer to it

/** The upstream URL of a POST and its body limit, by the last segment of the request's path. */
export function writeRoute(settings: Settings, url: URL): { url: string; maxBytes: number } {
  return lastSegment(url) === "batch"
    ? { url: `${settings.ingestUrl}/api/telemetry/batch`, maxBytes: MAX_BATCH_BYTES }
    : { url: `${settings.ingestUrl}/api/telemetry/ingest`, maxBytes: MAX_SINGLE_BYTES };
}

/** The upstream URL of a GET, with the query parameters that are forwarded. */
export function readUrl(settings: Settings, url: URL): string {
  const target = new URL(
    `${settings.summaryUrl}/api/telemetry/${lastSegment(url) === "series" ? "series" : "summary"}`,
  );
  for (const name of QUERY_PARAMETERS) {
    const value = url.searchParams.get(name);
    if (value === null) continue;
    if (name === "tz") target.searchParams.set(name, ZONE_NAME.test(value) ? value : NO_ZONE);
    else if (value.length <= MAX_PARAMETER_LENGTH) target.searchParams.set(name, value);
  }
  return target.href;
}

function lastSegment(url: URL): string | undefined {
  return url.pathname.split("/").filter(Boolean).at(-1); // with or without a trailing slash
}
