import type { TelemetryProxyOptions } from "./options";

const DEFAULT_TIMEOUT_MS = 12_000; // the gateway waits 10 s for a body; its 408 must still arrive
const MAX_TIMEOUT_MS = 600_000; // no platform keeps a request longer; far below where setTimeout overflows
const DEFAULT_SESSION_COOKIE = "sessionid";
const COOKIE_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/; // a token of RFC 9110, of bounded length
const ORIGIN = /^https?:\/\/[A-Za-z0-9.[\]:-]+$/; // every origin that a browser can send

/** The options, validated and complete. Base URLs end without a slash. */
export interface Settings {
  readonly ingestUrl: string;
  readonly summaryUrl: string;
  readonly sessionCookie: string;
  readonly development: boolean;
  readonly origins: ReadonlySet<string>;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
}

/** Throws an Error that names the invalid option but does not contain its value. */
export function settingsFrom(options: TelemetryProxyOptions): Settings {
  const {
    sessionCookie = DEFAULT_SESSION_COOKIE,
    development = false,
    origins = [],
    timeoutMs = DEFAULT_TIMEOUT_MS,
  } = options;
  // The global is looked up for each request: frameworks replace it.
  const { fetch = (input, init) => globalThis.fetch(input, init) } = options;
  const ingestUrl = baseUrl("ingestUrl", options.ingestUrl);
  const summaryUrl = options.summaryUrl === undefined ? ingestUrl : baseUrl("summaryUrl", options.summaryUrl);
  insist(COOKIE_NAME.test(sessionCookie), "sessionCookie must be the name of a cookie");
  insist(typeof development === "boolean", "development must be true or false"); // the text "false" is truthy
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
  const url = parseUrl(value);
  const isBase =
    url !== undefined && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  insist(isBase, `${name} must be an absolute http(s) URL without credentials, query or fragment`);
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function parseUrl(value: string): URL | undefined {
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}

function insist(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`telemetryProxy: ${message}`);
}
