// The SDK's debug mode: says in the console why nothing counts, and what to do. An entry of its own, which a production
// build does not have.

import { explainPage } from "./watcher";

/** From now on, says each thing once in this page's console. Nothing happens in server-side rendering. */
export function explain(): void {
  if (typeof document !== "undefined") explainPage(window, (line) => console.warn(`siddes-telemetry: ${line}`));
}
