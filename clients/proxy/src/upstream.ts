import { isJson, readBounded } from "./body";
import { type Answer, ProxyError } from "./errors";
import type { Settings } from "./settings";

const MAX_ANSWER_BYTES = 1024 * 1024; // 31 days of hourly steps are far below
const GATEWAY_FAILURES = new Set([502, 504]); // some other proxy's words for: it is away
const RETRY_AFTER = /^\d{1,6}$/; // seconds; no date

/** One request upstream. */
export interface Question {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array<ArrayBuffer>;
}

/**
 * What upstream answers: its status, JSON body and Retry-After. Aborted when the browser leaves or the time is over,
 * until the last byte of the answer. Whatever goes wrong throws; ProxyError unavailable for an answer not to pass on.
 */
export async function ask(settings: Settings, question: Question, browser: AbortSignal): Promise<Answer> {
  const { url, ...init } = question;
  const controller = new AbortController(); // AbortSignal.any is newer than Node 18
  const abort = () => controller.abort();
  const timer = setTimeout(abort, settings.timeoutMs);
  browser.addEventListener("abort", abort, { once: true });
  if (browser.aborted) abort();
  try {
    const { signal } = controller;
    return await passable(await settings.fetch(url, { ...init, signal, redirect: "manual", cache: "no-store" }));
  } finally {
    clearTimeout(timer);
    browser.removeEventListener("abort", abort);
  }
}

async function passable(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const body = isAnswer(response) ? await readBounded(response.body, MAX_ANSWER_BYTES) : undefined;
  if (body === undefined || !isJson(body)) {
    response.body?.cancel().catch(() => undefined); // frees the connection
    throw new ProxyError("unavailable");
  }
  const retryAfter = headers.get("retry-after") ?? "";
  return { status, body, ...(RETRY_AFTER.test(retryAfter) ? { retryAfter } : {}) };
}

/** No redirect (an opaque one has status 0), no proxy's error, and JSON by its type. */
function isAnswer({ status, headers }: Response): boolean {
  const isOwn = (status >= 200 && status < 300) || (status >= 400 && status < 600 && !GATEWAY_FAILURES.has(status));
  const [essence = ""] = (headers.get("content-type") ?? "").split(";");
  return isOwn && essence.trim().toLowerCase() === "application/json";
}
