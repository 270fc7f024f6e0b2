import { beforeEach, expect, test } from "vitest";
import { KEY, type MemoryStorage, type Page, ScriptedServer, settle } from "./fake-browser";

const SECOND = 1000;
let server: ScriptedServer;
let page: Page;
let prerendered: Page;
const advance = (ms: number) => server.browser.clock.advance(ms);
const call = (times: number, event: string) => {
  for (let i = 0; i < times; i++) prerendered.telemetry(event);
};

beforeEach(() => {
  server = new ScriptedServer();
  page = server.browser.open();
  prerendered = page.prerender();
});

test("a page that is prerendered sends and stores nothing, whatever happens", async () => {
  const before = new Map((prerendered.sessionStorage as MemoryStorage).items);
  call(120, "early");
  await advance(5 * SECOND);
  prerendered.fire("online");
  prerendered.show("visible");
  prerendered.show("hidden");
  prerendered.fire("pagehide");
  await advance(5 * SECOND);
  expect(server.requests).toEqual([]);
  expect(server.browser.beacons).toEqual([]);
  expect((prerendered.sessionStorage as MemoryStorage).items).toEqual(before);
});

test("what it counted is sent once it is shown, at once where it has waited long enough", async () => {
  call(2, "early");
  await advance(10 * SECOND);
  page.activate(prerendered);
  expect(server.counts).toEqual([{ early: 2 }]);
  await settle();
  expect(prerendered.stored()).toBeNull();
});

test("what it counted is gone where it is never shown", async () => {
  call(60, "early");
  await advance(SECOND);
  prerendered.leave();
  await advance(10 * SECOND);
  expect(server.requests).toEqual([]);
  expect(server.browser.beacons).toEqual([]);
});

test("once shown it goes on with what the page before it left, not with the copy it was made with", async () => {
  server.responses = [new TypeError("offline"), new TypeError("offline")];
  page.telemetry("first");
  page.show("hidden"); // sent
  await settle();
  prerendered = page.prerender();
  call(1, "early");
  page.telemetry("second");
  page.show("hidden"); // sent, and stored
  await settle();
  const [first, second] = server.ids;
  page.activate(prerendered);
  await advance(10 * SECOND);
  expect(server.ids.slice(2, 4)).toEqual([first, second]);
  expect(server.counts.slice(2)).toEqual([{ first: 1 }, { second: 1 }, { early: 1 }]);
  expect(prerendered.stored()).toBeNull();
});

test("what it counted for a viewer who signs out is not the next one's", async () => {
  call(1, "leaver");
  await page.telemetry.reset();
  await advance(SECOND);
  call(1, "comer");
  page.activate(prerendered);
  await advance(5 * SECOND);
  expect(server.counts).toEqual([{ comer: 1 }]);
});

test("reset() in it sends nothing, and the calls after it are kept", async () => {
  call(1, "leaver");
  await prerendered.telemetry.reset();
  call(1, "comer");
  page.activate(prerendered);
  await advance(5 * SECOND);
  expect(server.counts).toEqual([{ comer: 1 }]);
});

test.each([
  ["disable()", () => prerendered.telemetry.disable()],
  ["Global Privacy Control", () => Object.assign(prerendered.navigator, { globalPrivacyControl: true })],
])("%s in it holds when it is shown: what the page before it stored goes too", async (_, refuse) => {
  server.responses = [new TypeError("offline")];
  page.telemetry("before");
  page.show("hidden");
  await settle();
  prerendered = page.prerender();
  call(1, "early");
  refuse();
  call(1, "still early");
  expect(prerendered.stored()).toContain("before"); // the copy is left alone
  page.activate(prerendered);
  call(1, "late");
  await advance(10 * SECOND);
  expect(server.counts).toEqual([{ before: 1 }]);
  expect(page.sessionStorage.getItem(KEY)).toBeNull();
});
