import { type Surroundings } from "./surroundings";
export type Queue = ReturnType<typeof createQueue>;
/**
 * Calls wait in memory, without an id, until a batch of them is first tried: then it gets its id, is stored, and never
 * changes again. sessionStorage is copied when a tab is duplicated, so two tabs may send the same batch: equal in id
 * and content, it counts once.
 */
export declare function createQueue(around: Surroundings, url: string, key: string): {
    load: () => void;
    step: () => void;
    forget: () => void;
    disable: () => void;
    add(event: string, count?: number): void;
    /** Sends what waits at once: a hidden page may never be heard of again. What backs off goes on doing so. */
    hide: () => void;
    /** The page goes. A beacon gives no answer: what was sent by one stays, and is sent again if the page comes back. */
    leave: () => void;
    /** The network is back: no need to wait, unless the server asked for it. */
    hurry(): void;
    /** A last try of everything at once; then it is forgotten. Settles when the tries have, or after two seconds. */
    finish(): Promise<void>;
};
