import type { Settings } from "./settings";

const REQUEST_ID = /^(?:[0-9a-f]{16,32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;
const COOKIE_VALUE = /^[ -~]{1,4096}$/; // printable ASCII; browsers keep no more of one cookie (RFC 6265, 6.1)
const MAX_CHUNKS = 8; // as the gateway's
const DEV_VIEWER_COOKIE = "sd_viewer";
const DEV_VIEWER_HEADER = "x-sd-viewer";

// fetch fills in what is missing here, on some platforms with the runtime's name or what the platform knows.
const CONSTANT = {
  accept: "application/json",
  "accept-encoding": "identity",
  "accept-language": "*",
  "user-agent": "siddes-telemetry-proxy",
};

/** X-Request-Id as sent, if it is a UUID or 16 to 32 hex digits; else a new one. */
export function requestId(sent: string | null): string {
  return sent !== null && REQUEST_ID.test(sent) ? sent : newRequestId();
}

/** Everything that goes upstream with a request. */
export function upstreamHeaders(settings: Settings, sent: Headers, id: string): Record<string, string> {
  const headers: Record<string, string> = { ...CONSTANT, "x-request-id": id };
  const sentCookies = sent.get("cookie") ?? "";
  const cookies = sessionPairs(sentCookies, settings.sessionCookie);
  if (settings.development) {
    cookies.push(...cookiePair(firstCookies(sentCookies, DEV_VIEWER_COOKIE), DEV_VIEWER_COOKIE));
  }
  if (cookies.length > 0) headers.cookie = cookies.join("; ");
  const viewer = sent.get(DEV_VIEWER_HEADER);
  if (settings.development && viewer !== null) headers[DEV_VIEWER_HEADER] = viewer;
  return headers;
}

/** The session's cookie; without one the chunks that Auth.js makes of a long one, name.0, name.1 and so on. */
function sessionPairs(header: string, name: string): string[] {
  const cookies = firstCookies(header, name);
  const whole = cookiePair(cookies, name);
  if (whole.length > 0) return whole;
  const chunks: string[] = [];
  while (chunks.length <= MAX_CHUNKS) {
    const chunk = cookiePair(cookies, `${name}.${chunks.length}`);
    if (chunk.length === 0) return chunks;
    chunks.push(...chunk);
  }
  return []; // too many
}

/** `name=value`, quotes and all as sent; nothing where there is none, or it is empty or not printable. */
function cookiePair(cookies: ReadonlyMap<string, string>, name: string): string[] {
  const value = cookies.get(name) ?? "";
  return COOKIE_VALUE.test(value) ? [`${name}=${value}`] : [];
}

/**
 * By name, the first cookies that hold `text`: browsers send the most specific path first (RFC 6265, 5.4). Those without
 * it, which may be thousands, are not taken apart.
 */
function firstCookies(header: string, text: string): ReadonlyMap<string, string> {
  const first = new Map<string, string>();
  let at = header.indexOf(text);
  while (at >= 0) {
    const semicolon = header.indexOf(";", at);
    const end = semicolon < 0 ? header.length : semicolon;
    const pair = header.slice(header.lastIndexOf(";", at) + 1, end);
    const [key = "", ...rest] = pair.split("=");
    const name = trimmed(key);
    if (!first.has(name)) first.set(name, trimmed(rest.join("=")));
    at = header.indexOf(text, end);
  }
  return first;
}

/** Without blanks at either end. By hand: a regular expression takes a square of the blanks in the middle. */
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (isBlank(text[from])) from++;
  while (to > from && isBlank(text[to - 1])) to--;
  return text.slice(from, to);
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}

/** 32 hex digits. It need not be secret; Node 18 has no global crypto. */
function newRequestId(): string {
  const word = () => Math.floor(Math.random() * 2 ** 32);
  return [word(), word(), word(), word()].map((part) => part.toString(16).padStart(8, "0")).join("");
}
