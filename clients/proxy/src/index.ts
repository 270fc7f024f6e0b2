/** Same-origin proxy for siddes-telemetry: a session cookie and a count pass, and nothing else. See README.md. */

import { requestBody } from "./body";
import { isCrossSite } from "./cross_site";
import { type Answer, errorAnswer, ProxyError } from "./errors";
import { requestId, upstreamHeaders } from "./request_headers";
import { readUrl, writeRoute } from "./routes";
import { checked, type Settings } from "./settings";
import { ask } from "./upstream";

export interface TelemetryProxyOptions {
  /** Where the ingest gateway is: an absolute http(s) URL; a path in it is kept as a prefix. */
  readonly ingestUrl: string;
  /** Where the summary service is; by default where the gateway is (`siddes-telemetry up` is both). */
  readonly summaryUrl?: string | undefined;
  /** The only cookie that passes, or its chunks. Default: sessionid. */
  readonly sessionCookie?: string | undefined;
  /** Lets the dev viewer pass too: cookie sd_viewer, header x-sd-viewer. Default: false. */
  readonly development?: boolean | undefined;
  /** Origins beside the app's own whose pages may post, as browsers write them. Default: none. */
  readonly origins?: readonly string[] | undefined;
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined;
  /** How long upstream has for all of its answer, in milliseconds. Default: 12000. */
  readonly timeoutMs?: number | undefined;
}

/** Answers one request. Never rejects. */
export type TelemetryHandler = (request: Request) => Promise<Response>;

export interface TelemetryProxy {
  /** Paths that end in /series: the series; any other: the summary. */
  readonly GET: TelemetryHandler;
  /** Paths that end in /batch: a batch; any other: a single count. */
  readonly POST: TelemetryHandler;
}

/** The handlers of an app's /api/telemetry and below. Throws an Error where an option is wrong. */
export function telemetryProxy(options: TelemetryProxyOptions): TelemetryProxy {
  const settings = checked(options);
  return {
    GET: (request) => answered(request, (id) => read(settings, request, id)),
    POST: (request) => answered(request, (id) => write(settings, request, id)),
  };
}

async function read(settings: Settings, request: Request, id: string): Promise<Answer> {
  const url = readUrl(settings, new URL(request.url));
  return ask(settings, { method: "GET", url, headers: upstreamHeaders(settings, request.headers, id) }, request.signal);
}

async function write(settings: Settings, request: Request, id: string): Promise<Answer> {
  const sent = request.headers;
  const here = new URL(request.url);
  const host = sent.get("host") ?? here.host; // a URL's host may be an internal one; HTTP/2 has no Host
  if (isCrossSite(sent.get("origin"), sent.get("sec-fetch-site"), host, settings.origins)) {
    throw new ProxyError("forbidden_origin");
  }
  const { url, maxBytes } = writeRoute(settings, here);
  const body = await requestBody(request, maxBytes);
  const headers = upstreamHeaders(settings, sent, id);
  const contentType = sent.get("content-type");
  if (contentType !== null) headers["content-type"] = contentType;
  return ask(settings, { method: "POST", url, headers, body }, request.signal);
}

async function answered(request: Request, answer: (id: string) => Promise<Answer>): Promise<Response> {
  const id = requestId(request.headers.get("x-request-id"));
  try {
    return rendered(await answer(id), id);
  } catch (error) {
    // A network error, a time-out, a browser that left: an error's text may quote what came from outside.
    return rendered(errorAnswer(error instanceof ProxyError ? error.code : "unavailable"), id);
  }
}

function rendered({ status, body, retryAfter }: Answer, id: string): Response {
  const headers = new Headers({
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": id,
  });
  if (retryAfter !== undefined) headers.set("retry-after", retryAfter);
  return new Response(body, { status, headers });
}
