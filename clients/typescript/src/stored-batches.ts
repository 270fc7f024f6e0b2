import { type Batch, clampCount } from "./batch";
import { isSendable } from "./batch-id";
import { ignoreErrors } from "./environment";
import { MAX_BATCHES } from "./limits";

/** The text for sessionStorage: `[[id, [[event, count], …]], …]`, undefined where there are no batches. */
export function toText(batches: readonly Batch[]): string | undefined {
  return batches[0] && JSON.stringify(batches);
}

/**
 * The batches in a stored text that were made after `start` and may still be sent at `now` (milliseconds since 1970).
 * Malformed batches are skipped. Throws where the text is no JSON list.
 */
export function fromText(text: string | null, now: number, start: number): Batch[] {
  const stored: Batch[] = JSON.parse(text ?? "[]");
  return stored
    .filter((batch) =>
      ignoreErrors(
        () =>
          isSendable(batch[0], now, start) &&
          batch[1].every(([event, count]) => typeof event === "string" && count === clampCount(count)),
      ),
    )
    .slice(0, MAX_BATCHES);
}
