import type { TelemetryProxyOptions } from "./index"; // declared there so that its .d.ts needs no other file

const DEFAULT_TIMEOUT_MS = 12_000; // the gateway gives a body 10 s to arrive; its own answer must still get through
const MAX_TIMEOUT_MS = 600_000; // no platform keeps a request longer; far below where setTimeout overflows
const COOKIE_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/; // a token of RFC 9110, of a sane length
const ORIGIN = /^https?:\/\/[A-Za-z0-9.[\]:-]+$/; // what the gateway's own allowlist takes

/** The options, checked and complete. Base URLs end without a slash. */
export interface Settings {
  readonly ingestUrl: string;
  readonly summaryUrl: string;
  readonly sessionCookie: string;
  readonly development: boolean;
  readonly origins: ReadonlySet<string>;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
}

/** Throws an Error that names the option, and never shows its value. */
export function checked(options: TelemetryProxyOptions): Settings {
  const { sessionCookie = "sessionid", development = false, origins = [], timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  // Looked up for each request: frameworks replace the global one.
  const { fetch = (input, init) => globalThis.fetch(input, init) } = options;
  const ingestUrl = baseUrl("ingestUrl", options.ingestUrl);
  const summaryUrl = options.summaryUrl === undefined ? ingestUrl : baseUrl("summaryUrl", options.summaryUrl);
  insist(COOKIE_NAME.test(sessionCookie), "sessionCookie must be the name of a cookie");
  insist(typeof development === "boolean", "development must be true or false"); // "false" would switch it on
  insist(
    Array.isArray(origins) && origins.every((origin) => ORIGIN.test(origin)),
    "origins must be a list of origins such as https://app.example",
  );
  insist(typeof fetch === "function", "fetch must be a function");
  insist(
    Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS,
    `timeoutMs must be a whole number from 1 to ${MAX_TIMEOUT_MS}`,
  );
  return { ingestUrl, summaryUrl, sessionCookie, development, origins: new Set(origins), fetch, timeoutMs };
}

function baseUrl(name: string, value: string): string {
  const url = parsed(value);
  const isBase =
    url !== undefined && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  insist(isBase, `${name} must be an absolute http(s) URL without credentials, query or fragment`);
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function parsed(value: string): URL | undefined {
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}

function insist(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`telemetryProxy: ${what}`);
}
