import { beforeEach, describe, expect, test } from "vitest";
import { type FakeResponse, KEY, type Page, respond, ScriptedServer, settle } from "./fake-browser";

const SECOND = 1000;
let server: ScriptedServer;
let page: Page;
const advance = (ms: number) => server.browser.clock.advance(ms);
const call = (times: number, event = "suggestion_shown") => {
  for (let i = 0; i < times; i++) page.telemetry(event);
};
const never = () => new Promise<never>(() => {});

beforeEach(() => {
  server = new ScriptedServer();
  page = server.browser.open();
});

describe("a page that is hidden", () => {
  test("sends at once what waits, beside what is under way", async () => {
    server.responses = [never()];
    call(120);
    page.show("hidden");
    expect(server.counts.map(({ suggestion_shown }) => suggestion_shown)).toEqual([50, 50, 20]);
  });

  test("leaves a batch that backs off to its back-off", async () => {
    server.responses = [respond(503, { "retry-after": "5" })];
    call(50, "first");
    await settle();
    call(1, "second");
    page.show("hidden");
    await settle();
    expect(server.counts).toEqual([{ first: 50 }, { second: 1 }]);
    await advance(6 * SECOND);
    expect(server.counts).toEqual([{ first: 50 }, { second: 1 }, { first: 50 }]);
  });

  test("waits as long as the longest Retry-After of its responses", async () => {
    server.responses = [respond(503, { "retry-after": "20" }), new TypeError("offline")];
    call(1, "first");
    page.show("hidden");
    await settle();
    call(1, "second");
    page.show("hidden");
    await advance(20 * SECOND);
    expect(server.requests).toHaveLength(2);
    await advance(SECOND);
    expect(server.requests).toHaveLength(4);
  });

  test("keeps at most twenty batches", async () => {
    server.responses = Array.from({ length: 40 }, never);
    for (let i = 0; i < 30; i++) {
      call(1);
      page.show("hidden");
    }
    expect(JSON.parse(page.stored() ?? "")).toHaveLength(20);
  });
});

describe("a page that goes", () => {
  test("gives what is not under way to beacons, and keeps it", async () => {
    server.responses = [never()];
    call(50, "under way");
    call(1, "waiting");
    page.fire("pagehide");
    const [beacon = expect.fail(), ...others] = await server.beacons();
    expect(others).toEqual([]);
    expect(beacon.events).toEqual([{ event: "waiting", count: 1 }]);
    expect(JSON.parse(page.stored() ?? "")).toEqual([
      [server.ids[0], [["under way", 50]]],
      [beacon.batch_id, [["waiting", 1]]],
    ]);
  });

  test.each([
    ["comes back from the cache", () => page.fire("pageshow", { persisted: true })],
    ["is loaded again", () => server.browser.open(page.sessionStorage)],
  ])("and %s sends it again under the same id", async (_, comeBack) => {
    call(1);
    page.fire("pagehide");
    comeBack();
    const [beacon = expect.fail()] = await server.beacons();
    expect(server.ids).toEqual([beacon.batch_id]);
    await settle();
    expect(page.stored()).toBeNull();
  });

  test("keeps nothing that has no id: the viewer may sign out before it comes back", async () => {
    server.responses = Array.from({ length: 20 }, never);
    for (let batch = 0; batch < 20; batch++) {
      call(1);
      page.show("hidden");
    }
    call(1, "leaver");
    page.fire("pagehide", { persisted: true });
    page.browser.localStorage.set("sd_telemetry_reset", `${page.Date.now()}`); // no event reaches a page in the cache
    page.sessionStorage.removeItem(KEY);
    await advance(SECOND);
    page.fire("pageshow", { persisted: true });
    await advance(5 * SECOND);
    expect(server.requests).toHaveLength(20);
  });

  test("and comes back from the cache leaves alone what the next page has stored, and sends it", async () => {
    page.fire("pagehide", { persisted: true });
    const next = server.browser.open(page.sessionStorage);
    server.responses = [new TypeError("offline")];
    next.telemetry("next page");
    next.show("hidden");
    await settle();
    next.crash(); // frozen
    page.show("visible"); // browsers say so before pageshow
    page.fire("pageshow", { persisted: true });
    await settle();
    expect(server.counts).toEqual([{ "next page": 1 }, { "next page": 1 }]);
    expect(new Set(server.ids).size).toBe(1);
  });

  test("and comes back from the cache forgets what pages between have delivered or forgotten", async () => {
    call(1);
    page.fire("pagehide", { persisted: true });
    page.sessionStorage.removeItem(KEY);
    page.fire("pageshow", { persisted: true });
    await advance(5 * SECOND);
    expect(server.requests).toHaveLength(0);
  });
});

describe("reset", () => {
  test("tries everything once more at once, then forgets it", async () => {
    server.responses = [respond(503, { "retry-after": "60" }), respond(503), respond(503)];
    call(50);
    await settle();
    call(60);
    await page.telemetry.reset();
    expect(server.requests).toHaveLength(4);
    expect(page.stored()).toBeNull();
    await advance(120 * SECOND);
    expect(server.requests).toHaveLength(4);
  });

  test("waits for what is under way, but no longer than two seconds", async () => {
    server.responses = [never()];
    call(50);
    let ended = false;
    page.telemetry.reset().then(() => {
      ended = true;
    });
    expect(page.stored()).toBeNull();
    await advance(2 * SECOND - 1);
    expect(ended).toBe(false);
    await advance(1);
    expect(ended).toBe(true);
    expect(server.requests).toHaveLength(1);
  });

  test("leaves the calls after it to the next viewer", async () => {
    server.responses = [never()];
    call(1, "before");
    page.telemetry.reset();
    call(1, "after");
    await advance(2 * SECOND);
    expect(server.counts).toEqual([{ before: 1 }, { after: 1 }]);
  });

  test("makes no next viewer wait for a last try that failed", async () => {
    server.responses = [respond(503, { "retry-after": "60" })];
    call(1, "before");
    await page.telemetry.reset();
    call(1, "after");
    await advance(2 * SECOND);
    expect(server.counts).toEqual([{ before: 1 }, { after: 1 }]);
  });

  test("makes the other tabs forget without sending", async () => {
    const other = server.browser.open();
    other.telemetry("other");
    await page.telemetry.reset();
    await advance(5 * SECOND);
    expect(server.requests).toHaveLength(0);
    other.telemetry("next viewer");
    await advance(2 * SECOND);
    expect(server.counts).toEqual([{ "next viewer": 1 }]);
  });

  test("called again while it waits settles no sooner: the session would end under what is on its way", async () => {
    let finish: (response: FakeResponse) => void = () => {};
    server.responses = [new Promise((resolve) => (finish = resolve))];
    call(1);
    page.telemetry.reset();
    let ended = false;
    page.telemetry.reset().then(() => {
      ended = true;
    });
    await settle();
    expect(ended).toBe(false);
    finish(respond(200));
    await settle();
    expect(ended).toBe(true);
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ["closed, and is opened again", (closed: Page) => closed.leave()],
    ["unloaded in the background", (unloaded: Page) => unloaded.crash()],
  ])("in a tab while another is %s: that one's counts are not the next viewer's", async (_, go) => {
    const other = server.browser.open();
    server.responses = [new TypeError("offline")];
    other.telemetry("other");
    other.show("hidden");
    await settle();
    go(other);
    expect(other.stored()).toContain("other");
    await advance(SECOND);
    await page.telemetry.reset();
    await advance(SECOND);
    const again = server.browser.open(other.sessionStorage);
    again.telemetry("next viewer");
    await advance(2 * SECOND);
    expect(server.counts).toEqual([{ other: 1 }, { "next viewer": 1 }]);
  });

  test("takes nothing from a reload after it", async () => {
    await page.telemetry.reset();
    await advance(SECOND);
    server.responses = [new TypeError("offline")];
    call(50, "next viewer");
    await settle();
    page.reload();
    expect(server.counts).toEqual([{ "next viewer": 50 }, { "next viewer": 50 }]);
  });
});

describe("a viewer who wants none of it", () => {
  test.each([
    ["disable()", (page: Page) => page.telemetry.disable()],
    ["Global Privacy Control", (page: Page) => Object.assign(page.navigator, { globalPrivacyControl: true })],
  ])("says so by %s: nothing is queued, stored or sent any more", async (_, refuse) => {
    server.responses = [new TypeError("offline")];
    call(50);
    await settle();
    refuse(page);
    call(60);
    expect(page.stored()).toBeNull();
    page.show("hidden");
    page.fire("pagehide");
    page.fire("online");
    page.fire("pageshow", { persisted: true });
    await page.telemetry.reset();
    await advance(120 * SECOND);
    expect(server.requests).toHaveLength(1);
    expect(server.browser.beacons).toHaveLength(0);
    expect(page.stored()).toBeNull();
  });

  test("has nothing stored by an respond that comes later", async () => {
    server.responses = [respond(404, {}, { ok: false, error: "telemetry_disabled" })];
    call(50);
    page.telemetry.disable();
    await settle();
    expect(page.stored()).toBeNull();
  });

  test("and said so before the page was loaded: what is stored goes too", async () => {
    call(1);
    page.fire("pagehide");
    const { sessionStorage } = page;
    server.browser.open(sessionStorage, (next) => Object.assign(next.navigator, { globalPrivacyControl: true }));
    expect(sessionStorage.getItem(KEY)).toBeNull();
    expect(server.requests).toHaveLength(0);
  });
});
