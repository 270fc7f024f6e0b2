import type { Settings } from "./settings";
/** X-Request-Id as sent, if it is a UUID or 16 to 32 hex digits; else a new one. */
export declare function requestId(sent: string | null): string;
/** Everything that goes upstream with a request. */
export declare function upstreamHeaders(settings: Settings, sent: Headers, id: string): Record<string, string>;
