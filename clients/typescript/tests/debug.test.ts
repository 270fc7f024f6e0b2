// What the debug mode says: each thing once, in words that quote nothing of an answer.

import { beforeEach, describe, expect, test, vi } from "vitest";
import { CAUSES, type Cause } from "../src/explanations";
import { explainPage } from "../src/watcher";
import { ELSEWHERE, type FakeResponse, type Page, ScriptedServer, settle, URL } from "./fake-browser";

const MARK = "canary-3f1c"; // in every answer, and to be said nowhere

let server: ScriptedServer;
let page: Page;
let said: string[];

beforeEach(() => {
  server = new ScriptedServer();
  page = server.browser.open();
  said = [];
  explain();
});

function explain(): void {
  explainPage(page, (line) => said.push(line));
}

/** An answer as a browser gets it. */
function answer(status: number, body: unknown = {}, type: ResponseType = "basic"): FakeResponse {
  const text = typeof body === "string" ? `${body}${MARK}` : JSON.stringify({ ...(body as object), mark: MARK });
  const clone = () => {
    const response = new Response(text, { status: status || 200, headers: { [MARK]: MARK } }); // 0 cannot be constructed
    return Object.defineProperties(response, { status: { value: status }, type: { value: type } });
  };
  return Object.assign(clone(), { clone });
}

/** Sends one call as a batch of its own. */
async function send(event = "photo_opened", count?: number): Promise<void> {
  page.telemetry(event, count);
  await server.browser.clock.advance(2000);
  await settle();
}

const OK = { ok: true, accepted: 1, rejected: [] };
const REFUSALS: [Cause, string, FakeResponse | Error][] = [
  ["no_viewer", "401", answer(401, { ok: false, error: "no_viewer" })],
  ["no_viewer", "401 of the app itself", answer(401, "<p>Sign in")],
  ["forbidden_origin", "403 forbidden_origin", answer(403, { ok: false, error: "forbidden_origin" })],
  ["refused", "403 of something else", answer(403, "<p>Forbidden")],
  ["switched_off", "404 telemetry_disabled", answer(404, { ok: false, error: "telemetry_disabled" })],
  ["no_route", "404 not_found", answer(404, { ok: false, error: "not_found" })],
  ["no_route", "404 with a page", answer(404, "<h1>404")],
  ["no_route", "405", answer(405, "<h1>405")],
  ["redirect", "a redirect, as browsers show one", answer(0, "", "opaqueredirect")],
  ["not_the_gateway", "200 with a page", answer(200, "<h1>Welcome")],
  ["not_the_gateway", "200 with other JSON", answer(200, { status: "fine" })],
  ["refused", "400", answer(400, { ok: false, error: "invalid_batch" })],
  ["refused", "413 of a proxy", answer(413, "<p>Too large")],
  ["limited", "429", answer(429, { ok: false, error: "rate_limited" })],
  ["unavailable", "503", answer(503, { ok: false, error: "unavailable" })],
  ["no_answer", "no answer", new TypeError(`Failed to fetch ${MARK}`)],
];

describe("an answer", () => {
  test.each(REFUSALS)("is said to be %s: %s; once, whatever comes again", async (cause, _, response) => {
    server.responses = [response, response, response];
    await send();
    expect(said).toEqual([`POST ${URL}: ${CAUSES[cause]}`]);
    await send();
    expect(said).toHaveLength(1);
    expect(said.join()).not.toContain(MARK);
  });

  test("that counts everything is no matter", async () => {
    server.responses = [answer(200, OK)];
    await send();
    expect(said).toEqual([]);
  });

  test("names each event that the registry does not have, once", async () => {
    const rejected = [{ index: 1, error: "invalid_event" }];
    server.responses = [
      answer(200, { ok: true, accepted: 1, rejected }),
      answer(200, { ok: true, accepted: 1, rejected }),
    ];
    for (let again = 0; again < 2; again++) {
      page.telemetry("photo_opened");
      await send("photo_exprted");
    }
    expect(said).toEqual([expect.stringMatching(/^"photo_exprted" is not counted: .*registry/)]);
  });

  test("is read by the SDK all the same", async () => {
    server.responses = [answer(404, { ok: false, error: "telemetry_disabled" })];
    await send();
    expect(page.stored()).toBe("off");
  });

  test("is said of each address", async () => {
    server.responses = [answer(404), answer(404)];
    await send();
    page.elsewhere()("photo_opened"); // made after explain()
    await server.browser.clock.advance(2000);
    expect(said).toEqual([`POST ${URL}: ${CAUSES.no_route}`, `POST ${ELSEWHERE}: ${CAUSES.no_route}`]);
  });
});

describe("a call", () => {
  test.each([
    [51, "is more than 50, and counts as 50"],
    [Number.NaN, "is no finite number, and counts as 1"],
    [Number.POSITIVE_INFINITY, "is no finite number, and counts as 1"],
    ["3", "is no finite number, and counts as 1"],
    [null, "is no finite number, and counts as 1"],
    [-7, "is less than 1, and counts as 1"],
    [0.5, "is less than 1, and counts as 1"],
    [3.9, "has a fraction, which is cut off"],
  ])("with the count %s: it %s", (count, problem) => {
    for (let again = 0; again < 2; again++) page.telemetry("photo_opened", count as number);
    expect(said).toEqual([expect.stringContaining(`"photo_opened" is counted with another count: it ${problem}`)]);
  });

  test.each([undefined, 0, 1, 50])("with the count %s is as it should be", (count) => {
    page.telemetry("photo_opened", count);
    expect(said).toEqual([]);
  });

  test.each([
    undefined,
    7,
    { event: "photo_opened" },
    [MARK],
  ])("whose event is %j is ignored, and said to be", (event) => {
    page.telemetry(event as unknown as string);
    expect(said).toEqual([expect.stringContaining("its event is no string")]);
    expect(said.join()).not.toContain(MARK);
  });

  test("whose event is no name is not quoted", () => {
    page.telemetry(`Ann ${MARK}`, 51);
    expect(said).toEqual([expect.stringMatching(/^An event that is no name/)]);
  });

  test("under Global Privacy Control counts nothing", async () => {
    page.navigator.globalPrivacyControl = true;
    await send();
    await send();
    expect(said).toEqual([CAUSES.privacy_control]);
  });

  test("after disable() counts nothing", async () => {
    page.telemetry.disable();
    await send();
    expect(said).toEqual([CAUSES.disabled]);
  });

  test("in a tab that the kill switch has silenced counts nothing", async () => {
    server.responses = [answer(404, { ok: false, error: "telemetry_disabled" })];
    await send();
    page = page.reload();
    said = [];
    explain();
    await send();
    expect(said).toEqual([CAUSES.silenced]);
  });
});

test("two calls of explain() say nothing twice, and a page without it says nothing", async () => {
  explain();
  const quiet = server.browser.open();
  quiet.telemetry("photo_opened", 51);
  page.telemetry("photo_opened", 51);
  expect(said).toHaveLength(1);
});

test("on a server explain() does nothing", async () => {
  const { explain } = await import("../src/debug");
  const warn = vi.spyOn(console, "warn");
  expect(explain()).toBeUndefined();
  expect(warn).not.toHaveBeenCalled();
});
