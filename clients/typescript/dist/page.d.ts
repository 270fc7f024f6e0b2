import type { Queue } from "./queue";
import { type Surroundings } from "./surroundings";
/** Lets a queue follow the life of its page. No `unload`, no BroadcastChannel: they keep a page out of the bfcache. */
export declare function followPage(around: Surroundings, queue: Queue): void;
/** Tells the other tabs of this origin that the viewer signs out. */
export declare function tellOtherTabs(around: Surroundings): void;
