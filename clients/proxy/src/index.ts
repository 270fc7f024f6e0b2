/** Same-origin proxy for siddes-telemetry: forwards a session cookie and a count, and nothing else. See README.md. */

import { requestBody } from "./body";
import { isCrossSite } from "./cross-site";
import { errorResponse, ProxyError } from "./errors";
import type { TelemetryProxyOptions } from "./options.js"; // with its extension: it stays in the .d.ts
import { upstreamHeaders } from "./request-headers";
import { requestId } from "./request-id";
import { type ProxyResponse, toResponse } from "./response";
import { readUrl, writeRoute } from "./routes";
import { type Settings, settingsFrom } from "./settings";
import { fetchUpstream } from "./upstream";

export type { TelemetryProxyOptions };

/** Handles one request. Never rejects. */
export type TelemetryHandler = (request: Request) => Promise<Response>;

export interface TelemetryProxy {
  /** Paths that end in /series: the series; any other: the summary. */
  readonly GET: TelemetryHandler;
  /** Paths that end in /batch: a batch; any other: a single count. */
  readonly POST: TelemetryHandler;
}

/** The handlers for an app's /api/telemetry and all paths below. Throws an Error for an invalid option. */
export function telemetryProxy(options: TelemetryProxyOptions): TelemetryProxy {
  const settings = settingsFrom(options);
  return {
    GET: (request) => handle(request, (id) => read(settings, request, id)),
    POST: (request) => handle(request, (id) => write(settings, request, id)),
  };
}

async function read(settings: Settings, request: Request, id: string): Promise<ProxyResponse> {
  const url = readUrl(settings, new URL(request.url));
  const headers = upstreamHeaders(settings, request.headers, id);
  return fetchUpstream(settings, { method: "GET", url, headers }, request.signal);
}

async function write(settings: Settings, request: Request, id: string): Promise<ProxyResponse> {
  const sent = request.headers;
  const here = new URL(request.url);
  const host = sent.get("host") ?? here.host; // the URL's host may be an internal one; HTTP/2 has no Host
  if (isCrossSite(sent.get("origin"), sent.get("sec-fetch-site"), host, settings.origins)) {
    throw new ProxyError("forbidden_origin");
  }
  const { url, maxBytes } = writeRoute(settings, here);
  const body = await requestBody(request, maxBytes);
  const headers = upstreamHeaders(settings, sent, id);
  const contentType = sent.get("content-type");
  if (contentType !== null) headers["content-type"] = contentType;
  return fetchUpstream(settings, { method: "POST", url, headers, body }, request.signal);
}

async function handle(request: Request, respond: (id: string) => Promise<ProxyResponse>): Promise<Response> {
  const id = requestId(request.headers.get("x-request-id"));
  try {
    return toResponse(await respond(id), id);
  } catch (error) {
    // A network error, a timeout, or a browser that left. The error's text is dropped: it may quote the request.
    return toResponse(errorResponse(error instanceof ProxyError ? error.code : "unavailable"), id);
  }
}
