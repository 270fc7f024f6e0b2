import { afterEach, expect, test, vi } from "vitest";
import { Browser, KEY, MemoryStorage, type Network, Page, respond, ScriptedServer } from "./fake-browser";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

const load = () => import("../src/index");

test.each([
  ["on a server", undefined],
  ["in a runtime that has a window and no page", {}],
])("%s nothing happens", async (_, window) => {
  vi.stubGlobal("window", window);
  const { sdTelemetry, reset, disable } = await load();
  expect(sdTelemetry("suggestion_shown", 3)).toBeUndefined();
  await expect(reset()).resolves.toBeUndefined();
  disable();
});

test("one address has one queue, and each its place in storage", async () => {
  const urls: string[] = [];
  const network: Network = async (_body, _init, url) => {
    urls.push(url);
    return respond(503);
  };
  const page = new Page(new Browser(network), new MemoryStorage());
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", page.document);
  const { sdTelemetry, createTelemetry } = await load();
  expect(createTelemetry()).toBe(sdTelemetry);
  const other = createTelemetry<"own_event">({ url: "/elsewhere" });
  sdTelemetry("suggestion_shown");
  other("own_event");
  await page.browser.clock.advance(2000);
  expect(urls).toEqual(["/api/telemetry/batch", "/elsewhere"]);
  expect(page.sessionStorage.getItem(KEY)).toContain("suggestion_shown");
  expect(page.sessionStorage.getItem(`${KEY} /elsewhere`)).toContain("own_event");
});

test("what is built writes nothing to the console and leaves nothing on the window, whatever the network does", async () => {
  const server = new ScriptedServer();
  const page = new Page(server.browser, new MemoryStorage());
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", page.document);
  const said = Object.keys(console).flatMap((name) => {
    const method = console[name as keyof Console];
    return typeof method === "function" ? [vi.spyOn(console, name as "log").mockImplementation(() => undefined)] : [];
  });
  const names = () => [Reflect.ownKeys(globalThis), Reflect.ownKeys(page)];
  const before = names();
  server.responses = [
    respond(200),
    new TypeError("offline"),
    respond(503),
    respond(400),
    respond(404, {}, { error: "telemetry_disabled" }),
  ];
  const { sdTelemetry, reset } = (await import("../dist/index.js")) as typeof import("../src/index");
  for (let step = 0; step < 4; step++) {
    sdTelemetry("suggestion_shown");
    await server.browser.clock.advance(5000);
  }
  await reset();
  expect(server.requests).toHaveLength(5);
  expect(said.flatMap(({ mock }) => mock.calls)).toEqual([]);
  expect(said.length).toBeGreaterThan(4);
  expect(names()).toEqual(before);
});
