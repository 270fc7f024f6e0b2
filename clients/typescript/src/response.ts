export const OFF = "off"; // also what storage holds then
const MAX_RETRY_AFTER_S = 600; // a longer wait would outlive every batch

/**
 * "off": the server's kill switch is on. "done": the batch is counted, or refused for good. A number: send it again,
 * after at least so many milliseconds.
 */
export type Outcome = typeof OFF | "done" | number;

/**
 * The outcome of a `POST /api/telemetry/batch` by its response. A redirect (status 0, as it is not followed) is a
 * refusal: the batch would go to a login page.
 */
export async function outcomeOf(response: Pick<Response, "status" | "headers" | "text">): Promise<Outcome> {
  const { status } = response;
  if (status === 429 || status >= 500) {
    // without a match exec returns null, and Number(null) is 0
    return Math.min(Number(/^\d+$/.exec(response.headers.get("retry-after") as string)), MAX_RETRY_AFTER_S) * 1000;
  }
  return status === 404 && (await response.text()).includes('"telemetry_disabled"') ? OFF : "done";
}
