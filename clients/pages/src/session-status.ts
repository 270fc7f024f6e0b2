// The session status that a page shows: whose counts it reads, or why it cannot read any.

import { type ApiResult, parseViewer } from "./api";
import { formatTime } from "./format";

export type SessionStatus =
  | { readonly kind: "loading" }
  | { readonly kind: "session"; readonly viewer: string; readonly ignored: string | undefined }
  | { readonly kind: "dev-viewer"; readonly viewer: string | undefined }
  | { readonly kind: "signed-out"; readonly refused: string | undefined }
  | { readonly kind: "disabled" }
  | { readonly kind: "rate-limited" }
  | { readonly kind: "unavailable" };

/**
 * The status by the responses of /api/auth/me and of the summary. `cookie` is the dev viewer that the page's cookie
 * names.
 *
 * The dev viewer is ignored under /api/auth/: a 401 there with a 200 of the summary means the dev viewer.
 */
export function sessionStatus(me: ApiResult, summary: ApiResult, cookie: string | undefined): SessionStatus {
  if (me.kind === "disabled" || summary.kind === "disabled") return { kind: "disabled" };
  if (me.kind === "unavailable" || summary.kind === "unavailable") return { kind: "unavailable" };
  if (me.kind === "rate-limited" || summary.kind === "rate-limited") return { kind: "rate-limited" };
  if (summary.kind === "unauthenticated") return { kind: "signed-out", refused: cookie };
  if (me.kind === "unauthenticated") return { kind: "dev-viewer", viewer: cookie };
  const viewer = parseViewer(me.body);
  return viewer === undefined ? { kind: "unavailable" } : { kind: "session", viewer, ignored: cookie };
}

/** The status as text. `readAt` is when the counts on the page were read, undefined where there are none. */
export function describeStatus(
  status: SessionStatus,
  readAt: Date | undefined,
): { readonly title: string; readonly advice: string } {
  switch (status.kind) {
    case "loading":
      return { title: "Asking who is signed in", advice: "" };
    case "session":
      return {
        title: `Signed in as ${status.viewer}`,
        advice: status.ignored
          ? `The session goes before the dev viewer: ${status.ignored} is not used.`
          : "By the app's own session; only the app can end it.",
      };
    case "dev-viewer":
      return {
        title: status.viewer ? `Dev viewer ${status.viewer}` : "Dev viewer",
        advice: "Dev viewer (sd_viewer), not a signed-in session. It works in debug only.",
      };
    case "signed-out":
      return {
        title: "Nobody is signed in",
        advice: status.refused
          ? `The server does not take ${status.refused} as a viewer. Ids that look like an e-mail address are refused: choose another.`
          : "Nothing is counted until you choose a dev viewer with the field here (any name will do) or sign in to the app.",
      };
    case "disabled":
      return {
        title: "Telemetry is switched off",
        advice: "The server's kill switch is on: nothing is counted or read. This page looks again by itself.",
      };
    case "rate-limited":
      return { title: "Too many requests for this viewer", advice: adviceWhileWaiting(readAt) };
    case "unavailable":
      return { title: "The server is away", advice: adviceWhileWaiting(readAt) };
  }
}

function adviceWhileWaiting(readAt: Date | undefined): string {
  const have = readAt ? `These are the figures of ${formatTime(readAt)}.` : "There are no figures yet.";
  return `${have} Trying again by itself.`;
}
