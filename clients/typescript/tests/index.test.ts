import { afterEach, expect, test, vi } from "vitest";
import { answer, Browser, KEY, type Network } from "./browser";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

const load = () => import("../src/index");

test("without a page nothing happens", async () => {
  const { sdTelemetry, reset, disable } = await load();
  expect(sdTelemetry("suggestion_shown", 3)).toBeUndefined();
  await expect(reset()).resolves.toBeUndefined();
  disable();
});

test("one address has one queue, and each its place in storage", async () => {
  const urls: string[] = [];
  const network: Network = async (_body, _init, url) => {
    urls.push(url);
    return answer(503);
  };
  const page = new Browser(network).open();
  page.telemetry.disable();
  vi.stubGlobal("window", page);
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
