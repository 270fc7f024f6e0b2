// Random schedules against a model of the server. Repeat a failure with SDK_SEED=… npx vitest run typescript
import { describe, expect, test } from "vitest";
import type { KeyValueStorage } from "../src/environment";
import { type Body, Browser, type FakeResponse, type Page, respond, settle } from "./fake-browser";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const SCHEDULES = 60;
const FIRST_SEED = Number(process.env.SDK_SEED ?? Math.floor(Math.random() * 2 ** 32));
const SEEDS = Array.from({ length: process.env.SDK_SEED ? 1 : SCHEDULES }, (_, n) => (FIRST_SEED + n) >>> 0);

/** Mulberry32: small, and the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Pages, a network and a server that counts a batch id once in ten minutes. */
class Simulation {
  readonly called = new Map<string, number>();
  readonly counted = new Map<string, number>();
  /** Counts that came under the cookie of another viewer than the one they were called for. */
  readonly misplaced: string[] = [];
  healthy = false;
  private viewer = 0;
  private readonly closed: KeyValueStorage[] = [];
  readonly random: () => number;
  readonly browser: Browser;
  private readonly seen = new Map<string, number>();

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.browser = new Browser((body) => this.respond(body), this.random);
    this.browser.open();
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }
  page(): Page {
    const pages = [...this.browser.pages];
    return pages[this.below(pages.length)] ?? this.browser.open();
  }
  call(): void {
    const event = `event_${this.below(3)}_of_viewer_${this.viewer}`;
    const count = 1 + this.below(50);
    const page = this.page();
    (this.random() < 0.5 ? page.telemetry : page.elsewhere())(event, count);
    this.called.set(event, (this.called.get(event) ?? 0) + count);
  }
  close(): void {
    const page = this.page();
    this.random() < 0.5 ? page.leave() : page.crash();
    this.closed.push(page.sessionStorage);
  }
  reopen(): void {
    const [session] = this.closed.splice(this.below(this.closed.length), 1);
    if (session) this.browser.open(session);
  }
  async signOut(): Promise<void> {
    const finished = this.page().telemetry.reset();
    await this.pass(2 * SECOND);
    await finished;
    this.viewer += 1;
  }
  async pass(ms: number): Promise<void> {
    await this.deliverBeacons();
    await this.browser.clock.advance(ms);
  }
  /** Beacons get through, or not; in any order. */
  async deliverBeacons(): Promise<void> {
    for (const beacon of this.browser.beacons.splice(0)) {
      const body: Body = JSON.parse(beacon);
      if (this.random() < 0.5) this.count(body, this.viewer);
    }
  }

  private count({ batch_id, events }: Body, viewer: number): void {
    const now = this.browser.clock.time;
    const known = `${batch_id} of ${viewer}`;
    const first = this.seen.get(known);
    if (first !== undefined && now - first < 10 * MINUTE) return;
    this.seen.set(known, now);
    for (const { event, count } of events) {
      this.counted.set(event, (this.counted.get(event) ?? 0) + count);
      if (!event.endsWith(`_of_viewer_${viewer}`)) this.misplaced.push(event);
    }
  }
  private async respond(body: Body): Promise<FakeResponse> {
    const { viewer } = this; // the cookie goes with the request
    const fate = this.healthy ? 0 : this.below(6);
    if (this.random() < 0.5) await this.latency();
    if (fate % 2 === 0) this.count(body, viewer);
    if (this.random() < 0.5) await this.latency();
    if (fate === 0) return respond(200);
    if (fate <= 2) return respond(503, this.random() < 0.5 ? { "retry-after": String(this.below(20)) } : {});
    if (fate <= 4) throw new TypeError("network error");
    return new Promise(() => {}); // no response
  }
  private latency(): Promise<void> {
    return new Promise((done) => this.browser.clock.after(this.below(5 * SECOND), done));
  }
}

type Step = (sim: Simulation) => unknown;

/** What happens to a page that is prerendered until it is shown, or not. */
async function prerender(sim: Simulation, shown: boolean): Promise<void> {
  const page = sim.page();
  if (page.document.prerendering) return;
  const prerendered = page.prerender();
  for (let n = sim.below(6); n > 0; n--) sim.call();
  await sim.pass(sim.below(5 * SECOND));
  shown ? page.activate(prerendered) : prerendered.leave();
}

const CALM: Step[] = [
  ...Array<Step>(8).fill((sim) => sim.call()),
  (sim) => Array.from({ length: 1 + sim.below(60) }, () => sim.call()),
  (sim) => {
    const page = sim.page();
    page.show("hidden");
    if (sim.random() < 0.5) page.show("visible");
  },
  (sim) => sim.page().show("visible"),
  (sim) => sim.page().reload(),
  (sim) => sim.browser.pages.size < 4 && sim.page().duplicate(),
  (sim) => {
    const page = sim.page();
    page.fire("pagehide", { persisted: true });
    page.show("hidden");
    page.show("visible");
    page.fire("pageshow", { persisted: true });
  },
  (sim) => sim.page().fire("online"),
  (sim) => prerender(sim, true),
  ...Array<Step>(4).fill((sim) => sim.pass(sim.below(5 * SECOND))),
];
const WILD: Step[] = [
  ...CALM,
  (sim) => prerender(sim, false),
  (sim) => sim.close(),
  (sim) => sim.reopen(),
  (sim) => sim.signOut(),
  (sim) => {
    sim.page().telemetry.reset(); // not awaited: it takes time, which only passes in other steps
  },
  ...Array<Step>(3).fill((sim) => sim.pass(sim.below(12 * MINUTE))),
  (sim) => {
    sim.healthy = !sim.healthy;
  },
];

/** A step is a task, before which a page's promises have run: none of them goes on once the page is left. */
async function run(sim: Simulation, steps: readonly Step[], length: number): Promise<void> {
  for (let n = 0; n < length; n++) {
    await settle();
    await steps[sim.below(steps.length)]?.(sim);
  }
}

async function recover(sim: Simulation): Promise<void> {
  sim.healthy = true;
  for (const page of sim.browser.pages) {
    page.elsewhere(); // goes on with what is stored for that address
    page.show("visible");
  }
  await sim.pass(5 * MINUTE);
  await settle();
}

describe("whatever happens", () => {
  test.each(
    SEEDS,
  )("never more is counted than was called, and nothing for the next viewer (SDK_SEED=%i)", async (seed) => {
    const sim = new Simulation(seed);
    await run(sim, WILD, 120);
    await recover(sim);
    for (const [event, counted] of sim.counted) expect(counted).toBeLessThanOrEqual(sim.called.get(event) ?? 0);
    expect(sim.misplaced).toEqual([]);
  });

  test.each(SEEDS)("an outage of minutes costs nothing (SDK_SEED=%i)", async (seed) => {
    const sim = new Simulation(seed);
    await run(sim, CALM, 60); // under four minutes
    await recover(sim);
    expect(Object.fromEntries([...sim.counted].sort())).toEqual(Object.fromEntries([...sim.called].sort()));
  });
});
