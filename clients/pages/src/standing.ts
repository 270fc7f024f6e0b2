// Where a page stands: who it reads the counts of, or why it cannot.

import { type Answer, readViewer } from "./answers";
import { clock } from "./wording";

export type Standing =
  | { readonly kind: "waiting" }
  | { readonly kind: "session"; readonly viewer: string; readonly ignored: string | undefined }
  | { readonly kind: "dev viewer"; readonly viewer: string | undefined }
  | { readonly kind: "nobody"; readonly refused: string | undefined }
  | { readonly kind: "disabled" }
  | { readonly kind: "limited" }
  | { readonly kind: "away" };

/**
 * Decides it from what /api/auth/me and the summary answered, and from the dev viewer that the page's cookie names.
 *
 * The dev viewer never applies under /api/auth/, so a 401 there and a 200 of the summary mean the dev viewer.
 */
export function standing(me: Answer, summary: Answer, cookie: string | undefined): Standing {
  if (me.kind === "disabled" || summary.kind === "disabled") return { kind: "disabled" };
  if (me.kind === "away" || summary.kind === "away") return { kind: "away" };
  if (me.kind === "limited" || summary.kind === "limited") return { kind: "limited" };
  if (summary.kind === "unauthenticated") return { kind: "nobody", refused: cookie };
  if (me.kind === "unauthenticated") return { kind: "dev viewer", viewer: cookie };
  const viewer = readViewer(me.body);
  return viewer === undefined ? { kind: "away" } : { kind: "session", viewer, ignored: cookie };
}

/** The standing in words. `stampedAt` is when the figures still on the page were read, undefined where there are none. */
export function wordsFor(
  now: Standing,
  stampedAt: Date | undefined,
): { readonly title: string; readonly advice: string } {
  switch (now.kind) {
    case "waiting":
      return { title: "Asking who is signed in", advice: "" };
    case "session":
      return {
        title: `Signed in as ${now.viewer}`,
        advice: now.ignored
          ? `The session goes before the dev viewer: ${now.ignored} is not used.`
          : "By the app's own session; only the app can end it.",
      };
    case "dev viewer":
      return {
        title: now.viewer ? `Dev viewer ${now.viewer}` : "Dev viewer",
        advice: "Dev viewer (sd_viewer), not a signed-in session. It works in debug only.",
      };
    case "nobody":
      return {
        title: "Nobody is signed in",
        advice: now.refused
          ? `The server does not take ${now.refused} as a viewer. Ids that look like an e-mail address are refused: choose another.`
          : "Nothing is counted until you choose a dev viewer with the field here (any name will do) or sign in to the app.",
      };
    case "disabled":
      return {
        title: "Telemetry is switched off",
        advice: "The server's kill switch is on: nothing is counted or read. This page looks again by itself.",
      };
    case "limited":
      return { title: "Too many requests for this viewer", advice: adviceWhileWaiting(stampedAt) };
    case "away":
      return { title: "The server is away", advice: adviceWhileWaiting(stampedAt) };
  }
}

function adviceWhileWaiting(stampedAt: Date | undefined): string {
  const have = stampedAt ? `These are the figures of ${clock(stampedAt)}.` : "There are no figures yet.";
  return `${have} Trying again by itself.`;
}
