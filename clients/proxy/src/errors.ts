import type { ProxyResponse } from "./response";

const STATUS = { forbidden_origin: 403, too_large: 413, unsupported_type: 415, unavailable: 503 } as const;
const MIN_RETRY_AFTER_S = 1; // random within these, so that clients do not return all at once
const MAX_RETRY_AFTER_S = 5;

/** The errors of the proxy itself. Codes and statuses are those of the gateway. */
export type ErrorCode = keyof typeof STATUS;

/** Ends a request with this code. */
export class ProxyError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode) {
    super(code);
    this.code = code;
  }
}

/** The response for an error. `unavailable` has a Retry-After. */
export function errorResponse(code: ErrorCode): ProxyResponse {
  const spread = MAX_RETRY_AFTER_S - MIN_RETRY_AFTER_S + 1;
  const retryAfter = String(MIN_RETRY_AFTER_S + Math.floor(Math.random() * spread));
  const body = `{"ok":false,"error":"${code}"}`;
  return { status: STATUS[code], body, ...(code === "unavailable" ? { retryAfter } : {}) };
}
