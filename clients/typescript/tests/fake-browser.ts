import type { Environment, KeyValueStorage } from "../src/environment";
import type { Telemetry } from "../src/index";
import { pageTelemetry } from "../src/telemetry";

export const URL = "/api/telemetry/batch";
export const KEY = "sd_telemetry";
export const ELSEWHERE = "/elsewhere";

export type FakeResponse = Awaited<ReturnType<Environment["fetch"]>>;
export type Body = { batch_id: string; events: { event: string; count: number }[] };
export type Network = (body: Body, init: RequestInit, url: string) => Promise<FakeResponse>;

export function respond(
  status: number,
  headers: Record<string, string> = {},
  body: unknown = { ok: true },
): FakeResponse {
  return { status, headers: new Headers(headers), text: async () => JSON.stringify(body) };
}

/** Runs all pending microtasks and reads of blobs, but no timers. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((done) => setImmediate(done));
}

/** A clock that moves only by advance(). */
export class Clock {
  time = Date.UTC(2026, 10, 22, 10);
  private timers = new Map<number, { at: number; run: () => void }>();
  private made = 0;

  after(delayMs: number, run: () => void): number {
    this.made += 1;
    this.timers.set(this.made, { at: this.time + delayMs, run });
    return this.made;
  }

  cancel(timer: number | undefined): void {
    if (timer !== undefined) this.timers.delete(timer);
  }

  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const [next] = [...this.timers]
        .filter(([, { at }]) => at <= end)
        .sort((a, b) => a[1].at - b[1].at || a[0] - b[0]);
      if (!next) break;
      const [timer, { at, run }] = next;
      this.timers.delete(timer);
      this.time = Math.max(this.time, at);
      run();
      await settle();
    }
    this.time = end;
  }
}

export class MemoryStorage implements KeyValueStorage {
  readonly items: Map<string, string>;
  constructor(items: Map<string, string> = new Map()) {
    this.items = items;
  }
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
  removeItem(key: string): void {
    this.items.delete(key);
  }
}

/** Tabs of one origin: they share a clock, a network, a cookie jar and localStorage. */
export class Browser {
  readonly clock = new Clock();
  readonly pages = new Set<Page>();
  readonly localStorage = new Map<string, string>();
  /** The beacons sent so far. */
  beacons: string[] = [];

  network: Network;
  readonly random: () => number;

  constructor(network: Network, random: () => number = () => 0.5) {
    this.network = network;
    this.random = random;
  }

  /** Opens a page in a tab; `session` is the tab's sessionStorage. */
  open(session: KeyValueStorage = new MemoryStorage(), change: (page: Page) => void = () => {}): Page {
    const page = new Page(this, session);
    change(page);
    this.pages.add(page);
    page.telemetry = pageTelemetry(page, URL, KEY);
    return page;
  }
}

export class Page implements Environment {
  telemetry!: Telemetry<string>;
  readonly Date = { now: () => this.browser.clock.time };
  readonly Math = { random: () => this.browser.random() };
  crypto: Environment["crypto"] = {
    getRandomValues: (bytes) => bytes.set(Array.from(bytes, () => this.browser.random() * 256)),
  };
  readonly document = { hidden: false, prerendering: false };
  navigator: { globalPrivacyControl?: boolean; sendBeacon(url: string, body: string): boolean } = {
    sendBeacon: (_url, body) => this.browser.beacons.push(body) > 0,
  };
  localStorage: KeyValueStorage = {
    getItem: (key) => this.browser.localStorage.get(key) ?? null,
    setItem: (key, newValue) => {
      this.browser.localStorage.set(key, newValue);
      for (const page of this.browser.pages) if (page !== this) page.fire("storage", { key, newValue });
    },
    removeItem: (key) => this.browser.localStorage.delete(key),
  };
  private readonly listeners: { type: string; run: (event: Event) => void }[] = [];
  private alive = true;
  private second: Telemetry<string> | undefined;

  readonly browser: Browser;
  sessionStorage: KeyValueStorage;

  constructor(browser: Browser, sessionStorage: KeyValueStorage) {
    this.browser = browser;
    this.sessionStorage = sessionStorage;
  }

  fetch: Environment["fetch"] = (url, init) =>
    this.whileAlive(this.browser.network(JSON.parse(String(init.body)), init, url));

  setTimeout = (run: (argument: 0) => void, delayMs: number): number =>
    this.browser.clock.after(delayMs, () => this.alive && run(0));
  clearTimeout = (timer: number | undefined): void => this.browser.clock.cancel(timer);
  addEventListener = (type: string, run: (event: Event) => void): void => {
    this.listeners.push({ type, run });
  };

  dispatchEvent = (event: Event): boolean => {
    for (const { type, run } of [...this.listeners]) if (type === event.type) run(event);
    return true;
  };

  fire(type: string, properties: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), properties));
  }
  show(visibilityState: "visible" | "hidden"): void {
    this.document.hidden = visibilityState === "hidden";
    this.fire("visibilitychange");
  }
  /** Leaves the page as a browser does. Requests in flight complete, but the page gets no response. */
  leave(): void {
    this.show("hidden");
    this.fire("pagehide", { persisted: false });
    this.crash();
  }
  /** Ends the page without any event. */
  crash(): void {
    this.alive = false;
    this.browser.pages.delete(this);
  }
  /** Prerenders a page, as speculation rules do. Its sessionStorage is a copy. */
  prerender(): Page {
    const { items } = this.sessionStorage as MemoryStorage;
    const copy = new MemoryStorage(new Map(items));
    return this.browser.open(copy, (page) => Object.assign(page.document, { prerendering: true, hidden: true }));
  }
  /** Replaces this page by one that was prerendered. Events are fired in Chromium's order. */
  activate(prerendered: Page): void {
    this.leave();
    prerendered.show("visible");
    prerendered.sessionStorage = this.sessionStorage;
    prerendered.document.prerendering = false;
    prerendered.fire("prerenderingchange");
  }
  reload(): Page {
    this.leave();
    return this.browser.open(this.sessionStorage);
  }
  duplicate(): Page {
    const { items } = this.sessionStorage as MemoryStorage;
    return this.browser.open(new MemoryStorage(new Map(items)));
  }
  stored(): string | null {
    return this.sessionStorage.getItem(KEY);
  }
  /** Telemetry for a second address, created on first use. */
  elsewhere(): Telemetry<string> {
    this.second ??= pageTelemetry(this, ELSEWHERE, `${KEY} ${ELSEWHERE}`);
    return this.second;
  }

  private whileAlive<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.alive && resolve(value),
        (error) => this.alive && reject(error),
      );
    });
  }
}

/** A server that records requests and answers with the next of `responses`, or 200 when there are no more. */
export class ScriptedServer {
  readonly requests: { body: Body; init: RequestInit; url: string; at: number }[] = [];
  responses: (FakeResponse | Error | Promise<FakeResponse>)[] = [];
  readonly browser = new Browser(async (body, init, url) => {
    this.requests.push({ body, init, url, at: this.browser.clock.time });
    const next = await (this.responses.shift() ?? respond(200));
    if (next instanceof Error) throw next;
    return next;
  });

  get ids(): string[] {
    return this.requests.map(({ body }) => body.batch_id);
  }
  get counts(): Record<string, number>[] {
    return this.requests.map(({ body }) => Object.fromEntries(body.events.map(({ event, count }) => [event, count])));
  }
  async beacons(): Promise<Body[]> {
    return this.browser.beacons.map((body) => JSON.parse(body));
  }
}
