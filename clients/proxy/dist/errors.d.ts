declare const STATUS: {
    readonly forbidden_origin: 403;
    readonly too_large: 413;
    readonly unsupported_type: 415;
    readonly unavailable: 503;
};
/** What the proxy itself answers with; its codes and statuses are those of the gateway. */
export type ErrorCode = keyof typeof STATUS;
/** Ends a request with this code. */
export declare class ProxyError extends Error {
    readonly code: ErrorCode;
    constructor(code: ErrorCode);
}
/** Status, body and Retry-After (whole seconds) of an answer that is not the upstream's. */
export declare function errorAnswer(code: ErrorCode): Answer;
/** All that an answer to the browser is made of, beside constants and the request id. */
export interface Answer {
    readonly status: number;
    readonly body: string | Uint8Array<ArrayBuffer>;
    readonly retryAfter?: string;
}
export {};
