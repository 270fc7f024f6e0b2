const STATUS = { forbidden_origin: 403, too_large: 413, unsupported_type: 415, unavailable: 503 } as const;
const RETRY_AFTER_S = { least: 1, most: 5 }; // spread, so that clients do not come back all at once

/** What the proxy itself answers with; its codes and statuses are those of the gateway. */
export type ErrorCode = keyof typeof STATUS;

/** Ends a request with this code. */
export class ProxyError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode) {
    super(code);
    this.code = code;
  }
}

/** Status, body and Retry-After (whole seconds) of an answer that is not the upstream's. */
export function errorAnswer(code: ErrorCode): Answer {
  const spread = RETRY_AFTER_S.most - RETRY_AFTER_S.least + 1;
  const retryAfter = String(RETRY_AFTER_S.least + Math.floor(Math.random() * spread));
  const body = `{"ok":false,"error":"${code}"}`;
  return { status: STATUS[code], body, ...(code === "unavailable" ? { retryAfter } : {}) };
}

/** All that an answer to the browser is made of, beside constants and the request id. */
export interface Answer {
  readonly status: number;
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly retryAfter?: string;
}
