// Hears the queues of a page, and says each thing once.

import { type Environment, ignoreErrors } from "./environment";
import { CAUSES, type Cause, causeOf, unknownEvent, wrongCall } from "./explanations";
import { forEachQueue, type PageQueue, VISIT_EVENT_TYPE, type Visit, type Watcher } from "./page-queues";
import { OFF } from "./response";

/** Watches the queues of a page, and those made later. Does nothing where they are watched already. */
export function explainPage(env: Environment, warn: (line: string) => void): void {
  const said = new Set<string>();

  function say(line: string | undefined): void {
    if (line === undefined || said.has(line)) return;
    said.add(line);
    warn(line);
  }

  const watcher: Watcher = {
    event(event, count, key) {
      if (env.navigator.globalPrivacyControl) say(CAUSES.privacy_control);
      else if (queue.refused) say(CAUSES.disabled);
      else if (ignoreErrors(() => env.sessionStorage.getItem(key)) === OFF) say(CAUSES.silenced);
      say(wrongCall(event, count));
    },
    async fetch(response, [, entries], url) {
      const cause = await response.then(
        (received) => causeOf(received as Response), // what the page's own fetch gave is a whole one
        (): Cause => "no_answer",
      );
      if (cause === "switched_off") said.add(CAUSES.silenced); // the same again
      if (typeof cause === "string") say(`POST ${url}: ${CAUSES[cause]}`);
      else for (const index of cause) say(unknownEvent(entries[index]?.[0]));
    },
  };

  // a queue for the others: so a new one takes over the watcher, and disable() is heard of
  const queue: PageQueue = { refused: false, step() {}, async finish() {}, watcher };
  let isWatched = false;
  forEachQueue(env, (other) => {
    isWatched ||= other.watcher !== undefined;
    other.watcher ??= watcher;
    queue.refused ||= other.refused;
  });
  if (!isWatched) env.addEventListener(VISIT_EVENT_TYPE, (event) => (event as CustomEvent<Visit>).detail(queue));
}
