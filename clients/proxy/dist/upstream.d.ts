import { type Answer } from "./errors";
import type { Settings } from "./settings";
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
export declare function ask(settings: Settings, question: Question, browser: AbortSignal): Promise<Answer>;
