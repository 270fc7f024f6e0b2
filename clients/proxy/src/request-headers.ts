import { cookiePair, sessionPairs } from "./cookies";
import type { Settings } from "./settings";

const DEV_VIEWER_COOKIE = "sd_viewer";
const DEV_VIEWER_HEADER = "x-sd-viewer";

// Headers that fetch would add by itself; on some platforms with the runtime's name or with data of the host.
const CONSTANT_HEADERS = {
  accept: "application/json",
  "accept-encoding": "identity",
  "accept-language": "*",
  "user-agent": "siddes-telemetry-proxy",
};

/** All headers of the upstream request, except Content-Type. */
export function upstreamHeaders(settings: Settings, sent: Headers, id: string): Record<string, string> {
  const headers: Record<string, string> = { ...CONSTANT_HEADERS, "x-request-id": id };
  const sentCookies = sent.get("cookie") ?? "";
  const cookies = sessionPairs(sentCookies, settings.sessionCookie);
  if (settings.development) cookies.push(...cookiePair(sentCookies, DEV_VIEWER_COOKIE));
  if (cookies.length > 0) headers.cookie = cookies.join("; ");
  const viewer = sent.get(DEV_VIEWER_HEADER);
  if (settings.development && viewer !== null) headers[DEV_VIEWER_HEADER] = viewer;
  return headers;
}
