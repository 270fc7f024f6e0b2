/** What becomes of a batch: "off" (the server counts nothing), "done" (counted, or refused for good), or after how many
 * milliseconds at least it is to be tried again. */
export type Verdict = "off" | "done" | number;
/**
 * Reads an answer of `POST /api/telemetry/batch`. A redirect (status 0: they are not followed) is refused for good:
 * the batch would go to a login page.
 */
export declare function judge(answer: Pick<Response, "status" | "headers" | "text">): Promise<Verdict>;
