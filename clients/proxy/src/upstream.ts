import { isJson, readBounded } from "./body";
import { ProxyError } from "./errors";
import type { ProxyResponse } from "./response";
import type { Settings } from "./settings";

const MAX_RESPONSE_BYTES = 1024 * 1024; // 31 days of hourly steps take far less
const GATEWAY_ERRORS = new Set([502, 504]); // of another proxy on the way: upstream is unavailable
const RETRY_AFTER = /^\d{1,6}$/; // seconds; dates are not forwarded

export interface UpstreamRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array<ArrayBuffer>;
}

/**
 * The upstream response: status, JSON body and Retry-After. The request is aborted when the browser leaves or the time
 * limit passes, until the last byte has arrived. Rejects on any failure; with ProxyError unavailable where the response
 * must not be forwarded.
 */
export async function fetchUpstream(
  settings: Settings,
  request: UpstreamRequest,
  browser: AbortSignal,
): Promise<ProxyResponse> {
  const { url, ...init } = request;
  const controller = new AbortController(); // AbortSignal.any is newer than Node 18
  const abort = () => controller.abort();
  const timer = setTimeout(abort, settings.timeoutMs);
  browser.addEventListener("abort", abort, { once: true });
  if (browser.aborted) abort();
  try {
    const { signal } = controller;
    return await forwardable(await settings.fetch(url, { ...init, signal, redirect: "manual", cache: "no-store" }));
  } finally {
    clearTimeout(timer);
    browser.removeEventListener("abort", abort);
  }
}

async function forwardable(response: Response): Promise<ProxyResponse> {
  const { status, headers } = response;
  const body = isForwardable(response) ? await readBounded(response.body, MAX_RESPONSE_BYTES) : undefined;
  if (body === undefined || !isJson(body)) {
    response.body?.cancel().catch(() => undefined); // frees the connection
    throw new ProxyError("unavailable");
  }
  const retryAfter = headers.get("retry-after") ?? "";
  return { status, body, ...(RETRY_AFTER.test(retryAfter) ? { retryAfter } : {}) };
}

/** No redirect (an opaque one has status 0), no error of another proxy, and a JSON content type. */
function isForwardable({ status, headers }: Response): boolean {
  const isOwn = (status >= 200 && status < 300) || (status >= 400 && status < 600 && !GATEWAY_ERRORS.has(status));
  const [essence = ""] = (headers.get("content-type") ?? "").split(";");
  return isOwn && essence.trim().toLowerCase() === "application/json";
}
