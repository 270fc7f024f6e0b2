/** From now on, says each thing once in this page's console. Nothing happens in server-side rendering. */
export declare function explain(): void;
