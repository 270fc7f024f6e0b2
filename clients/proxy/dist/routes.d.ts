import type { Settings } from "./settings";
/** Where a POST goes, and the most bytes its body may have: by the last segment of the path it came to. */
export declare function writeRoute(settings: Settings, url: URL): {
    url: string;
    maxBytes: number;
};
/** Where a GET goes, with the query parameters that may pass. */
export declare function readUrl(settings: Settings, url: URL): string;
