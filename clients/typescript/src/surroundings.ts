/** What the SDK touches of the world: the part of a browser's `window` it uses. Tests hand it one of their own. */
export interface Surroundings {
  readonly Date: { now(): number };
  readonly Math: { random(): number };
  readonly crypto: { getRandomValues(bytes: Uint8Array<ArrayBuffer>): unknown };
  readonly document: { readonly hidden: boolean; readonly prerendering?: boolean };
  readonly navigator: { readonly globalPrivacyControl?: boolean; sendBeacon(url: string, body: Blob): boolean };
  readonly sessionStorage: Shelf;
  readonly localStorage: Shelf;
  fetch(url: string, init: RequestInit): Promise<Pick<Response, "status" | "headers" | "text">>;
  setTimeout(run: (argument: 0) => void, delayMs: number, argument?: 0): number;
  clearTimeout(timer: number | undefined): void;
  addEventListener(type: string, run: (event: Event) => void, capture?: boolean): void;
  dispatchEvent(event: Event): boolean;
}

export type Shelf = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** The value of `work`, or undefined where it throws: telemetry never disturbs the page it is on. */
export function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
