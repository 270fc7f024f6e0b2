import { beforeEach, describe, expect, test } from "vitest";
import { type FakeResponse, KEY, MemoryStorage, type Page, respond, ScriptedServer, settle, URL } from "./fake-browser";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
let server: ScriptedServer;
let page: Page;
const advance = (ms: number) => server.browser.clock.advance(ms);
const call = (times: number, event = "suggestion_shown", count = 1) => {
  for (let i = 0; i < times; i++) page.telemetry(event, count);
};

beforeEach(() => {
  server = new ScriptedServer();
  page = server.browser.open();
});

describe("a batch", () => {
  test("is made two seconds after the first call", async () => {
    page.telemetry("suggestion_shown");
    await advance(1.5 * SECOND);
    page.telemetry("suggestion_accepted", 3);
    await advance(499);
    expect(server.requests).toHaveLength(0);
    await advance(1);
    expect(server.counts).toEqual([{ suggestion_shown: 1, suggestion_accepted: 3 }]);
    await advance(10 * SECOND);
    expect(server.requests).toHaveLength(1);
  });

  test("is made at once when fifty calls wait, and has no more", async () => {
    call(51);
    await settle();
    expect(server.counts).toEqual([{ suggestion_shown: 50 }]);
    await advance(2 * SECOND);
    expect(server.counts).toEqual([{ suggestion_shown: 50 }, { suggestion_shown: 1 }]);
  });

  test("goes as JSON with the cookie, and outlives its page", async () => {
    call(50);
    const [{ init, url } = expect.fail()] = server.requests;
    const { body: _, ...options } = init;
    expect(url).toBe(URL);
    expect(options).toEqual({
      method: "POST",
      headers: { "content-type": "application/json" },
      keepalive: true,
      credentials: "include",
      redirect: "manual",
      cache: "no-store",
      referrerPolicy: "no-referrer",
    });
  });

  test("is stored before it is sent, and no longer when it is acknowledged", async () => {
    let storedWhenSent: string | null = null;
    server.browser.network = async () => {
      storedWhenSent = page.stored();
      return respond(200);
    };
    call(2);
    expect(page.stored()).toBeNull(); // never tried: no id, nothing stored
    await advance(2 * SECOND);
    expect(storedWhenSent).toMatch(/^\[\["[0-9a-f-]{36}",\[\["suggestion_shown",2\]\]\]\]$/);
    expect(page.stored()).toBeNull();
  });

  test("goes alone, the oldest first", async () => {
    let finish: (response: FakeResponse) => void = () => {};
    server.responses = [new Promise((resolve) => (finish = resolve))];
    call(50, "first");
    call(50, "second");
    call(1, "third");
    await advance(10 * SECOND);
    expect(server.counts).toEqual([{ first: 50 }]);
    finish(respond(200));
    await settle();
    expect(server.counts).toEqual([{ first: 50 }, { second: 50 }, { third: 1 }]);
  });

  test("without a response for 30 seconds is tried again", async () => {
    server.responses = [new Promise(() => {})];
    call(50);
    await advance(31 * SECOND);
    expect(new Set(server.ids).size).toBe(1);
    expect(server.requests).toHaveLength(2);
  });
});

describe("a call", () => {
  test("gives nothing back and never throws, whatever is broken", async () => {
    const broken = () => {
      throw new Error("broken");
    };
    const storage = { getItem: broken, setItem: broken, removeItem: broken };
    const changes: ((page: Page) => void)[] = [
      (page) => Object.assign(page, { fetch: broken }),
      (page) => Object.assign(page, { fetch: undefined }),
      (page) => Object.assign(page, { sessionStorage: storage, localStorage: storage }),
      (page) => Object.assign(page, { sessionStorage: undefined, localStorage: undefined }),
      (page) => Object.assign(page, { crypto: undefined }),
      (page) => Object.assign(page.navigator, { sendBeacon: broken }),
      (page) => Object.assign(page.navigator, { sendBeacon: undefined }),
    ];
    for (const change of changes) {
      const fragile = server.browser.open(new MemoryStorage(), change);
      for (let i = 0; i < 60; i++) expect(fragile.telemetry("suggestion_shown")).toBeUndefined();
      await advance(2 * SECOND);
      fragile.fire("pagehide");
      fragile.show("hidden");
      fragile.fire("pageshow", { persisted: true });
      await expect(Promise.all([fragile.telemetry.reset(), advance(2 * SECOND)])).resolves.toBeDefined();
      fragile.telemetry.disable();
    }
  });

  test("of anything but a name is ignored", async () => {
    for (const event of [undefined, null, 7, {}, Symbol("x")]) page.telemetry(event as string);
    await advance(2 * SECOND);
    expect(server.requests).toHaveLength(0);
  });

  test("of nothing counts nothing, and 0.4 what the server makes of it", async () => {
    for (const count of [0, -0]) page.telemetry("suggestion_shown", count);
    await advance(2 * SECOND);
    expect(server.requests).toHaveLength(0);
    page.telemetry("suggestion_shown", 0.4);
    await advance(2 * SECOND);
    expect(server.counts).toEqual([{ suggestion_shown: 1 }]);
  });

  test("beyond a thousand that wait is dropped", async () => {
    server.responses = [respond(503, { "retry-after": "60" })];
    call(50);
    await settle();
    call(1100);
    await advance(5 * MINUTE);
    const sent = server.counts.reduce((sum, { suggestion_shown = 0 }) => sum + suggestion_shown, 0);
    expect(sent).toBe(50 + 50 + 1000); // the first one twice
  });

  test("counts where nothing can be stored", async () => {
    page = server.browser.open(new MemoryStorage(), (page) => Object.assign(page, { sessionStorage: undefined }));
    server.responses = [respond(503)];
    call(3);
    await advance(5 * SECOND);
    expect(server.counts).toEqual([{ suggestion_shown: 3 }, { suggestion_shown: 3 }]);
  });
});

describe("a response", () => {
  test.each([
    ["a network error", new TypeError("Failed to fetch")],
    ["429", respond(429)],
    ["500", respond(500)],
    ["503", respond(503)],
  ])("%s: the same batch again", async (_, first) => {
    server.responses = [first];
    call(50);
    await advance(501); // half of the first second
    expect(server.requests).toHaveLength(2);
    expect(server.requests[1]?.init.body).toBe(server.requests[0]?.init.body);
    expect(page.stored()).toBeNull();
  });

  test.each([
    ["a redirect", respond(0)],
    ["400", respond(400)],
    ["401", respond(401)],
    ["403", respond(403)],
    ["404 of something else", respond(404, {}, { error: "not_found" })],
    ["413", respond(413)],
  ])("%s: that batch is dropped, the next one goes", async (_, first) => {
    server.responses = [first];
    call(50, "first");
    call(50, "second");
    await advance(0);
    expect(server.counts).toEqual([{ first: 50 }, { second: 50 }]);
    expect(page.stored()).toBeNull();
  });

  test("that fails again and again is waited for ever longer, up to a minute", async () => {
    server.responses = Array.from({ length: 9 }, () => respond(503));
    call(50);
    await advance(5 * MINUTE);
    const gaps = server.requests.map(({ at }, n) => at - (server.requests[n - 1]?.at ?? at)).slice(1);
    expect(gaps).toEqual([0.5, 1, 2, 4, 8, 16, 30, 30, 30].map((s) => s * SECOND)); // half of each: random is 0.5
  });

  test("with Retry-After is not disturbed before, and not by everybody at the same moment", async () => {
    server.responses = [respond(503, { "retry-after": "7" })];
    call(50);
    await advance(7.499 * SECOND);
    page.fire("online");
    expect(server.requests).toHaveLength(1);
    await advance(1);
    expect(server.requests).toHaveLength(2);
  });

  test.each([
    "-5",
    "1e9",
    "soon",
    "Sun, 22 Nov 2026 10:00:00 GMT",
    "",
  ])("with the Retry-After %j: as without", async (garbage) => {
    server.responses = [respond(503, { "retry-after": garbage })];
    call(50);
    await advance(500);
    expect(server.requests).toHaveLength(2);
  });

  test("with a Retry-After beyond ten minutes counts as ten: the batch is too old then, the next call is not", async () => {
    server.responses = [respond(503, { "retry-after": "86400" })];
    call(50, "first");
    await settle();
    call(1, "second");
    await advance(10 * MINUTE + SECOND);
    expect(server.counts).toEqual([{ first: 50 }, { second: 1 }]);
  });

  test("telemetry_disabled: nothing more in this session, after a reload either", async () => {
    server.responses = [respond(404, {}, { ok: false, error: "telemetry_disabled" })];
    call(60);
    await settle();
    expect(page.stored()).toBe("off");
    await page.telemetry.reset();
    page.telemetry.disable();
    page = page.reload();
    call(60);
    page.leave();
    await advance(MINUTE);
    expect(server.requests).toHaveLength(1);
    expect(server.browser.beacons).toHaveLength(0);
    expect(page.stored()).toBe("off");
  });

  test("is not needed when the network comes back", async () => {
    server.responses = [new TypeError("offline")];
    call(50);
    await settle();
    page.fire("online");
    expect(server.requests).toHaveLength(2);
  });
});

describe("a batch of an earlier page", () => {
  const outage = async () => {
    server.responses = [new TypeError("offline")];
    call(50);
    await settle();
  };

  test("is sent again under its id after a reload", async () => {
    await outage();
    page = page.reload();
    expect(server.requests[1]?.init.body).toBe(server.requests[0]?.init.body);
    await settle();
    expect(page.stored()).toBeNull();
  });

  test("is dropped when it is older than nine minutes", async () => {
    await outage();
    const { sessionStorage } = page;
    page.crash();
    await advance(9 * MINUTE + 1);
    page = server.browser.open(sessionStorage);
    await advance(MINUTE);
    expect(server.requests).toHaveLength(1);
    expect(page.stored()).toBeNull();
  });

  test.each(["nonsense", "{}", "null", "[[1]]", '"off"'])("is ignored where storage holds %s", async (text) => {
    page = server.browser.open(new MemoryStorage(new Map([[KEY, text]])));
    call(2);
    await advance(2 * SECOND);
    expect(server.counts).toEqual([{ suggestion_shown: 2 }]);
  });
});
