import type { Settings } from "./settings";

const MAX_SINGLE_BYTES = 64 * 1024; // the gateway's own limits: what it would refuse need not travel
const MAX_BATCH_BYTES = 256 * 1024;
const QUERY_PARAMETERS = ["days", "interval"];
const MAX_PARAMETER_LENGTH = 16; // characters; no meaningful value is longer, and no sentence fits

/** Where a POST goes, and the most bytes its body may have: by the last segment of the path it came to. */
export function writeRoute(settings: Settings, url: URL): { url: string; maxBytes: number } {
  return lastSegment(url) === "batch"
    ? { url: `${settings.ingestUrl}/api/telemetry/batch`, maxBytes: MAX_BATCH_BYTES }
    : { url: `${settings.ingestUrl}/api/telemetry/ingest`, maxBytes: MAX_SINGLE_BYTES };
}

/** Where a GET goes, with the query parameters that may pass. */
export function readUrl(settings: Settings, url: URL): string {
  const target = new URL(
    `${settings.summaryUrl}/api/telemetry/${lastSegment(url) === "series" ? "series" : "summary"}`,
  );
  for (const name of QUERY_PARAMETERS) {
    const value = url.searchParams.get(name);
    if (value !== null && value.length <= MAX_PARAMETER_LENGTH) target.searchParams.set(name, value);
  }
  return target.href;
}

function lastSegment(url: URL): string | undefined {
  return url.pathname.split("/").filter(Boolean).at(-1); // a trailing slash is a matter of the app's taste
}
