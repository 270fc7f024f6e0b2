import type { Batch } from "./batch";
import type { Environment } from "./environment";
import { BATCHES_KEY } from "./storage-keys";

export const VISIT_EVENT_TYPE = BATCHES_KEY; // dispatched at the window; every queue of the page listens (page-lifecycle.ts)

/** What debug.ts hears of a queue. Neither method throws. */
export interface Watcher {
  /** Is told of each call; `key` is the queue's in sessionStorage. */
  event(event: unknown, count: unknown, key: string): void;
  /** Is told of each request, before its response is read. */
  fetch(response: ReturnType<Environment["fetch"]>, batch: Batch, url: string): void;
}

/**
 * A queue as the other queues of the page see it. They may belong to another copy of this SDK, of another version: an
 * app may consist of several bundles. So the names of these members, and of the event, must not change.
 */
export interface PageQueue {
  /** The user opted out; in force until the page is left. */
  refused: boolean;
  /** Sends the next batch, if one is due. */
  step(): void;
  /** Tries to send everything once more, then forgets it. Settles after two seconds at the latest. */
  finish(): Promise<unknown>;
  /** Set by debug.ts on the page's queues; a new queue takes over that of the others. */
  watcher?: Watcher | undefined;
}

export type Visit = (queue: PageQueue) => void;

/** Calls `visit` with every queue of the page, whichever copy of the SDK made it. */
export function forEachQueue(env: Environment, visit: Visit): void {
  env.dispatchEvent(new CustomEvent(VISIT_EVENT_TYPE, { detail: visit }));
}
