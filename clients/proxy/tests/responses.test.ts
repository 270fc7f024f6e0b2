import { expect, test } from "vitest";
import { telemetryProxy } from "../src/index";
import { json, type Reply, upstream } from "./fake-upstream";
import { COUNT, error, errorOf, get, KIB, post, proxied, UNAVAILABLE } from "./harness";

test("an answer is its status, body and Retry-After, and nothing else", async () => {
  const extra = { "retry-after": "7", "set-cookie": "a=b", etag: '"x"', server: "canary", "x-request-id": "canary" };
  const { GET } = await proxied(json(429, { ok: false, error: "rate_limited" }, extra));
  const response = await GET(get());
  const { "x-request-id": id, ...headers } = Object.fromEntries(response.headers);
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(headers).toEqual({
    "cache-control": "no-store",
    "content-type": "application/json",
    "retry-after": "7",
    "x-content-type-options": "nosniff",
  });
  expect(await errorOf(response)).toEqual(error(429, "rate_limited"));
});

test("a refusal of our own has the same headers", async () => {
  const { POST } = await proxied();
  const response = await POST(post(COUNT, { "sec-fetch-site": "cross-site" }));
  expect([...response.headers.keys()]).toEqual([
    "cache-control",
    "content-type",
    "x-content-type-options",
    "x-request-id",
  ]);
});

const html: Reply = (response) => response.writeHead(200, { "content-type": "text/html" }).end("{}");
const untyped: Reply = (response) => response.writeHead(200).end("{}");
const notJson: Reply = (response) => response.writeHead(200, { "content-type": "application/json" }).end('{"ok":tr');
const noContent: Reply = (response) => response.writeHead(204, { "content-type": "application/json" }).end();
const oversized: Reply = json(200, "x".repeat(1024 * KIB - 1));
const hangUp: Reply = (response) => response.destroy();
const cutShort: Reply = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
  response.write('{"ok":true}', () => response.destroy());
};

test.each<[string, Reply]>([
  ["a web page", html],
  ["an answer without a type", untyped],
  ["an answer that is no JSON", notJson],
  ["an answer without content", noContent],
  ["an answer over 1 MiB", oversized],
  ["no answer", hangUp],
  ["an answer cut short", cutShort],
  ["a redirect", json(302, {}, { location: "/elsewhere" })],
  ["a redirect that keeps the method", json(307, {}, { location: "/elsewhere" })],
  ["a proxy's 502", json(502, { secret: "canary" })],
  ["a proxy's 504", json(504, { secret: "canary" })],
])("%s from upstream becomes unavailable", async (_, reply) => {
  const { POST, seen } = await proxied(reply);
  const response = await POST(post(COUNT));
  expect(response.headers.get("retry-after")).toMatch(/^[1-5]$/);
  expect(await errorOf(response)).toEqual(UNAVAILABLE);
  expect(seen.length).toBe(1);
});

test("an answer of exactly 1 MiB passes", async () => {
  const { GET } = await proxied(json(200, "x".repeat(1024 * KIB - 2)));
  const response = await GET(get());
  expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, 1024 * KIB]);
});

test("an opaque redirect, which is what other runtimes make of one, becomes unavailable", async () => {
  const opaque = Object.defineProperty(Response.error(), "type", { value: "opaqueredirect" });
  const { GET } = telemetryProxy({ ingestUrl: "http://upstream.example", fetch: async () => opaque });
  expect(await errorOf(await GET(get()))).toEqual(UNAVAILABLE);
});

test("an upstream that is not there is unavailable", async () => {
  const server = await upstream(json(200, {}));
  await server.close();
  const { GET } = telemetryProxy({ ingestUrl: server.url });
  expect(await errorOf(await GET(get()))).toEqual(UNAVAILABLE);
});

test("a Retry-After that is not in seconds does not pass", async () => {
  const { GET } = await proxied(json(503, { ok: false, error: "unavailable" }, { "retry-after": "canary" }));
  expect((await GET(get())).headers.get("retry-after")).toBeNull();
});

const silent: Reply = () => undefined;
const stuck: Reply = (response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write('{"ok":');
};

test.each<[string, Reply]>([
  ["no answer", silent],
  ["half an answer", stuck],
])("%s in time is unavailable", async (_, reply) => {
  const { GET } = await proxied(reply, { timeoutMs: 100 });
  expect(await errorOf(await GET(get()))).toEqual(UNAVAILABLE);
});

test.each<[string, Reply]>([
  ["no answer", silent],
  ["half an answer", stuck],
])("a browser that leaves, with %s yet, aborts upstream", async (_, reply) => {
  const browser = new AbortController();
  const gone = new Promise<void>((resolve) => {
    const leave: Reply = (response, request) => {
      response.on("close", resolve);
      reply(response, request);
      browser.abort();
    };
    void proxied(leave).then(({ POST }) => POST(new Request(post(COUNT), { signal: browser.signal })));
  });
  await gone; // else the test's own time limit ends it, long before the proxy's
});

test("a browser that has left is not asked for", async () => {
  const { POST, seen } = await proxied();
  const request = new Request(post(COUNT), { signal: AbortSignal.abort() });
  expect((await POST(request)).status).toBe(503);
  expect(seen).toEqual([]);
});

test("a body that breaks off ends in an answer, and sends nothing", async () => {
  const { POST, seen } = await proxied();
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("canary")) });
  expect(await errorOf(await POST(post(body)))).toEqual(UNAVAILABLE);
  expect(seen).toEqual([]);
});
