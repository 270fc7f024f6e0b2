// Why nothing counts, by what the SDK is called with and by what is answered; and what to do. Nothing here quotes an
// answer: only an event's name, as the app's own code wrote it, and the SDK's address.

import { clampCount } from "./batch";
import { MAX_COUNT } from "./limits";

const EVENT_NAME = /^[a-z][a-z0-9_]{0,63}$/; // as in a registry

/** What is wrong with a request, or with everything. */
export const CAUSES = {
  privacy_control:
    "Nothing counts: this browser has Global Privacy Control switched on (or an extension has). Try another profile.",
  disabled: "Nothing counts on this page any more: disable() was called. It is in force until the page is left.",
  silenced:
    "Nothing counts in this tab: the gateway said earlier that telemetry is switched off, and the SDK keeps to that until " +
    "the tab is closed. If it is switched on again, open a new tab.",
  no_viewer:
    "Nothing counts: nobody is signed in, says the gateway (401). Sign in first. If somebody is: does the proxy forward the " +
    "session cookie under its right name, and does the gateway know how to read it (AUTH_URL, JWT_SECRET or JWT_JWKS_URL)? " +
    "To try it without a sign-in: `siddes-telemetry up --debug`, `development: true` in the proxy, and in this console " +
    '`document.cookie = "sd_viewer=me; path=/"`.',
  forbidden_origin:
    "Nothing counts: the request is refused as one of another site's page (403). A server in between must pass on the " +
    "browser's Host; or list this page's origin in the gateway's ORIGINS and the proxy's `origins`.",
  switched_off:
    "Nothing counts: telemetry is switched off (404 telemetry_disabled; the gateway runs with ENABLED=0). The SDK sends " +
    "nothing more in this tab.",
  no_route:
    "Nothing counts: nothing takes a POST at this address (404 or 405). Route it to the gateway, or answer it by " +
    "siddes-telemetry-proxy; with a base path, or where the gateway is asked with a slash at the end, write the module again " +
    "with the address that is right (`schema typescript --url`).",
  redirect:
    "Nothing counts: the address redirects, which the SDK does not follow. Take the telemetry out of what redirects to the " +
    "sign-in page; where a slash at the end is added or removed, write the module again with the address after the redirect " +
    "(`schema typescript --url`).",
  not_the_gateway:
    "Nothing counts: something other than the gateway answers, perhaps with a page of the app. Route this address to the " +
    "gateway, before any route that catches all.",
  refused:
    "Counts are lost: the request is refused, and would be again. See its answer in the network panel. Do the SDK and the " +
    "gateway belong together, and does something in between change or limit bodies?",
  limited: "Counts wait: this viewer sends too fast (429). The SDK tries again.",
  unavailable:
    "Counts wait: the gateway, or a proxy before it, has no answer now (5xx). Does the gateway run, and is it at the address " +
    "that the proxy has (`ingestUrl`)? Its log output says what it waits for. The SDK tries again.",
  no_answer:
    "Counts wait: no answer came. Is the server up? A Content-Security-Policy must have `connect-src 'self'`, and an ad " +
    "blocker may stop the request; for another origin, list this page's in ORIGINS. This console and the network panel say " +
    "which. The SDK tries again.",
} as const;

export type Cause = keyof typeof CAUSES;

/** An answer to a batch: its cause of counting nothing, or the indexes of the events that the registry does not have. */
export async function causeOf(response: Response): Promise<Cause | readonly number[]> {
  const { status, type } = response;
  if (type === "opaqueredirect" || (status >= 300 && status < 400)) return "redirect";
  if (status === 429) return "limited";
  if (status >= 500) return "unavailable";
  const answer = await jsonOf(response);
  if (status === 401) return "no_viewer";
  if (status === 403 && answer.error === "forbidden_origin") return "forbidden_origin";
  if (status === 404 && answer.error === "telemetry_disabled") return "switched_off";
  if (status === 404 || status === 405) return "no_route";
  if (status >= 400) return "refused";
  if (answer.ok !== true || !Array.isArray(answer.rejected)) return "not_the_gateway";
  return answer.rejected.map(({ index }) => Number(index));
}

/** The object that a response holds; an empty one where it holds none. */
async function jsonOf(response: Response): Promise<{ ok?: unknown; error?: unknown; rejected?: unknown }> {
  try {
    return Object(await response.clone().json()); // cloned at once, before the SDK reads it
  } catch {
    return {}; // a page, or nothing
  }
}

/** What the developer called it, for a line in their own console. */
function nameOf(event: unknown): string {
  return typeof event === "string" && EVENT_NAME.test(event) ? `"${event}"` : "An event that is no name";
}

export function unknownEvent(event: unknown): string {
  return (
    `${nameOf(event)} is not counted: the gateway's registry does not have it, or has retired it. Is it spelt as in the ` +
    "events.toml that the gateway runs with (EVENTS)? Was the gateway started again since?"
  );
}

/** What is wrong with a call, or undefined. */
export function wrongCall(event: unknown, count: unknown): string | undefined {
  if (typeof event !== "string") return "A call is ignored: its event is no string.";
  if (count === undefined || count === 0 || count === clampCount(count as number)) return;
  return `${nameOf(event)} is counted with another count: it ${wrongCount(count)}. A count is a whole number, 1..${MAX_COUNT}.`;
}

function wrongCount(count: unknown): string {
  if (!Number.isFinite(count)) return "is no finite number, and counts as 1";
  if (Number(count) < 1) return "is less than 1, and counts as 1";
  return Number(count) > MAX_COUNT
    ? `is more than ${MAX_COUNT}, and counts as ${MAX_COUNT}`
    : "has a fraction, which is cut off";
}
