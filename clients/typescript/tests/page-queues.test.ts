// What holds for a page: reset() and disable() reach every queue of it, whoever made it, and those that are made later.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ELSEWHERE, KEY, MemoryStorage, Page, respond, ScriptedServer, settle, URL } from "./fake-browser";

type Sdk = typeof import("../src/index");
const SECOND = 1000;
const STORED_ELSEWHERE = `${KEY} ${ELSEWHERE}`;
let server: ScriptedServer;
let page: Page;
const advance = (ms: number) => server.browser.clock.advance(ms);
const sent = () => server.requests.map(({ url, body }) => [url, body.events[0]?.event]);

/** Loads a copy of the SDK into `into`, as each bundle of an app may hold one. */
async function bundle(into: Page): Promise<Sdk> {
  vi.resetModules();
  vi.stubGlobal("window", into);
  vi.stubGlobal("document", into.document);
  return import("../src/index");
}

function count(sdk: Sdk, event: string, url = URL): void {
  sdk.createTelemetry<string>({ url })(event);
}

beforeEach(() => {
  server = new ScriptedServer();
  page = new Page(server.browser, new MemoryStorage());
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe("reset()", () => {
  test("tries what waits for every address a last time, and waits for all of it", async () => {
    const sdk = await bundle(page);
    let finish = () => {};
    server.responses = [respond(200), new Promise((done) => (finish = () => done(respond(200))))];
    count(sdk, "here");
    count(sdk, "there", ELSEWHERE);
    let ended = false;
    sdk.reset().then(() => {
      ended = true;
    });
    expect(sent()).toEqual([
      [URL, "here"],
      [ELSEWHERE, "there"],
    ]);
    await settle();
    expect(ended).toBe(false);
    finish();
    await settle();
    expect(ended).toBe(true);
  });

  test("makes every address forget what failed", async () => {
    const sdk = await bundle(page);
    server.responses = [new TypeError("offline"), new TypeError("offline")];
    count(sdk, "here");
    count(sdk, "there", ELSEWHERE);
    await Promise.all([sdk.reset(), advance(2 * SECOND)]);
    expect((page.sessionStorage as MemoryStorage).items).toEqual(new Map());
    count(sdk, "next viewer", ELSEWHERE);
    await advance(120 * SECOND);
    expect(sent().slice(2)).toEqual([[ELSEWHERE, "next viewer"]]);
  });

  test("of any address is that of all", async () => {
    const sdk = await bundle(page);
    count(sdk, "here");
    const finished = sdk.createTelemetry({ url: ELSEWHERE }).reset();
    expect(sent()).toEqual([[URL, "here"]]); // at once
    await finished;
    expect((page.sessionStorage as MemoryStorage).items).toEqual(new Map());
  });

  test("holds for an address that is asked for later: what an earlier page stored for it is not sent", async () => {
    server.responses = [new TypeError("offline")];
    count(await bundle(page), "there", ELSEWHERE);
    await advance(2 * SECOND);
    page.crash();
    page = new Page(server.browser, page.sessionStorage);
    const sdk = await bundle(page);
    expect(page.sessionStorage.getItem(STORED_ELSEWHERE)).toContain("there");
    await sdk.reset();
    await advance(SECOND);
    count(sdk, "next viewer", ELSEWHERE);
    await advance(120 * SECOND);
    expect(sent()).toEqual([
      [ELSEWHERE, "there"],
      [ELSEWHERE, "next viewer"],
    ]);
  });

  test("of one copy of the SDK reaches the others on the page", async () => {
    const [one, two] = [await bundle(page), await bundle(page)];
    expect(one.reset).not.toBe(two.reset);
    server.responses = [new TypeError("offline"), new TypeError("offline")];
    count(one, "one");
    count(two, "two");
    await Promise.all([one.reset(), advance(2 * SECOND)]);
    await advance(120 * SECOND);
    expect(sent()).toEqual([
      [URL, "one"],
      [URL, "two"],
    ]);
  });
});

describe("disable()", () => {
  test("silences every address and every copy of the SDK, made before or later; nothing stays stored", async () => {
    server.responses = Array.from({ length: 3 }, () => new TypeError("offline"));
    const [one, two] = [await bundle(page), await bundle(page)];
    const all = (event: string) => {
      count(one, event);
      count(one, event, ELSEWHERE);
      count(two, event, "/two");
    };
    all("before");
    await advance(2 * SECOND);
    expect(sent()).toHaveLength(3);
    const left = page.sessionStorage.getItem(STORED_ELSEWHERE) ?? "";
    page.sessionStorage.setItem(`${KEY} /later`, left);
    one.disable();
    expect([...(page.sessionStorage as MemoryStorage).items.keys()]).toEqual([`${KEY} /later`]);
    all("after");
    count(one, "after", "/later");
    count(await bundle(page), "after");
    page.fire("pagehide");
    await advance(120 * SECOND);
    expect(sent()).toHaveLength(3);
    expect(server.browser.beacons).toEqual([]);
    expect((page.sessionStorage as MemoryStorage).items).toEqual(new Map());
  });

  test("holds where the server counts nothing, too, and an address that is off silences no other", async () => {
    server.responses = [respond(404, {}, { ok: false, error: "telemetry_disabled" })];
    const sdk = await bundle(page);
    count(sdk, "here");
    await advance(2 * SECOND);
    expect(page.sessionStorage.getItem(KEY)).toBe("off");
    count(sdk, "there", ELSEWHERE);
    await advance(2 * SECOND);
    expect(sent()).toEqual([
      [URL, "here"],
      [ELSEWHERE, "there"],
    ]);
    sdk.disable();
    count(sdk, "there", ELSEWHERE);
    count(sdk, "later", "/later");
    await advance(2 * SECOND);
    expect(sent()).toHaveLength(2);
  });

  test("ends with the page", async () => {
    (await bundle(page)).disable();
    page.crash();
    count(await bundle(new Page(server.browser, page.sessionStorage)), "next page");
    await advance(2 * SECOND);
    expect(sent()).toEqual([[URL, "next page"]]);
  });
});
