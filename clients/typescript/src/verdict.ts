export const OFF = "off"; // what storage keeps of it, too
const MAX_RETRY_AFTER_S = 600; // what is asked beyond ten minutes is beyond the life of a batch

/** What becomes of a batch: "off" (the server counts nothing), "done" (counted, or refused for good), or after how many
 * milliseconds at least it is to be tried again. */
export type Verdict = typeof OFF | "done" | number;

/**
 * Reads an answer of `POST /api/telemetry/batch`. A redirect (status 0: they are not followed) is refused for good:
 * the batch would go to a login page.
 */
export async function judge(answer: Pick<Response, "status" | "headers" | "text">): Promise<Verdict> {
  const { status } = answer;
  if (status === 429 || status >= 500) {
    // what does not match is null, and its number 0
    return Math.min(Number(/^\d+$/.exec(answer.headers.get("retry-after") ?? "")), MAX_RETRY_AFTER_S) * 1000;
  }
  return status === 404 && (await answer.text()).includes('"telemetry_disabled"') ? OFF : "done";
}
