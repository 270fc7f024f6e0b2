/** The part of a browser's `window` that the SDK uses. Tests pass one of their own. */
export interface Environment {
  readonly Date: { now(): number };
  readonly Math: { random(): number };
  readonly crypto: { getRandomValues(bytes: Uint8Array<ArrayBuffer>): unknown };
  readonly document: { readonly hidden: boolean; readonly prerendering?: boolean };
  readonly navigator: { readonly globalPrivacyControl?: boolean; sendBeacon(url: string, body: string): boolean };
  readonly sessionStorage: KeyValueStorage;
  readonly localStorage: KeyValueStorage;
  fetch(url: string, init: RequestInit): Promise<Pick<Response, "status" | "headers" | "text">>;
  setTimeout(run: (argument: 0) => void, delayMs: number, argument?: 0): number;
  clearTimeout(timer: number | undefined): void;
  addEventListener(type: string, run: (event: Event) => void, capture?: boolean): void;
  dispatchEvent(event: Event): boolean;
}

export type KeyValueStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Calls `run` and returns its value, or undefined where it throws: telemetry must never disturb the page. */
export function ignoreErrors<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    // nobody could act on it
  }
}

/** Resolves to 0 after this time. */
export function sleep(env: Environment, ms: number): Promise<0> {
  return new Promise((done) => env.setTimeout(done, ms, 0));
}
