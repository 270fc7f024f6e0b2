import type { TelemetryProxyOptions } from "./index";
/** The options, checked and complete. Base URLs end without a slash. */
export interface Settings {
    readonly ingestUrl: string;
    readonly summaryUrl: string;
    readonly sessionCookie: string;
    readonly development: boolean;
    readonly origins: ReadonlySet<string>;
    readonly fetch: typeof fetch;
    readonly timeoutMs: number;
}
/** Throws an Error that names the option, and never shows its value. */
export declare function checked(options: TelemetryProxyOptions): Settings;
