import { expect, test } from "vitest";
import { json } from "./fake-upstream";
import { COUNT, error, errorOf, HERE, KIB, post, proxied } from "./harness";

/** A stream of `kib` KiB that says how much of it was taken. */
function flood(kib: number): { body: ReadableStream<Uint8Array>; taken: () => number } {
  let taken = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (taken === kib) return controller.close();
      taken += 1;
      controller.enqueue(new Uint8Array(KIB).fill(32));
    },
  });
  return { body, taken: () => taken };
}

test("checks come in their order: cross-site, encoding, size, content", async () => {
  const { POST, seen } = await proxied();
  const wrong = { origin: "http://evil.example", "content-encoding": "gzip", "content-length": String(64 * KIB + 1) };
  const { origin: _, ...ours } = wrong;
  const { "content-encoding": __, ...plain } = ours;
  expect(await errorOf(await POST(post("{", wrong)))).toEqual(error(403, "forbidden_origin"));
  expect(await errorOf(await POST(post("{", ours)))).toEqual(error(415, "unsupported_type"));
  expect(await errorOf(await POST(post("{", plain)))).toEqual(error(413, "too_large"));
  expect(seen).toEqual([]);
});

test("the origin is compared with Host, not with what the server calls itself", async () => {
  const { POST } = await proxied();
  const internal = (origin: string) => POST(post(COUNT, { origin }, "http://localhost:3000/api/telemetry"));
  expect((await internal("http://app.example")).status).toBe(200);
  expect((await internal("http://localhost:3000")).status).toBe(403);
});

test("without Host (HTTP/2) the origin is compared with the URL", async () => {
  const { POST } = await proxied();
  const hostless = (origin: string) => POST(new Request(HERE, { method: "POST", body: COUNT, headers: { origin } }));
  expect((await hostless("http://app.example")).status).toBe(200);
  expect((await hostless("http://evil.example")).status).toBe(403);
});

test("a listed origin may post", async () => {
  const { POST } = await proxied(undefined, { origins: ["https://partner.example"] });
  const headers = { origin: "https://partner.example", "sec-fetch-site": "cross-site" };
  expect((await POST(post(COUNT, headers))).status).toBe(200);
});

test.each([
  ["gzip", 415],
  ["identity, br", 415],
  ["Identity", 200],
  ["", 200],
])("content-encoding %j: %i", async (encoding, status) => {
  const { POST } = await proxied();
  expect((await POST(post(COUNT, { "content-encoding": encoding }))).status).toBe(status);
});

test.each([
  ["", 64],
  ["/batch", 256],
])("a body to %j may have %i KiB, and not a byte more", async (path, kib) => {
  const { POST, seen } = await proxied();
  const largest = `"${"x".repeat(kib * KIB - 2)}"`;
  expect((await POST(post(largest, {}, `${HERE}${path}`))).status).toBe(200);
  expect(seen[0]?.body).toBe(largest);
  expect(await errorOf(await POST(post(`${largest} `, {}, `${HERE}${path}`)))).toEqual(error(413, "too_large"));
  expect(seen.length).toBe(1);
});

test("an endless body is not read to its end", async () => {
  const { POST, seen } = await proxied();
  const { body, taken } = flood(10_000);
  expect(await errorOf(await POST(post(body)))).toEqual(error(413, "too_large"));
  expect(taken()).toBeLessThan(70);
  expect(seen).toEqual([]);
});

test.each([
  ["nothing", ""],
  ["half an object", '{"event":"suggestion_ac'],
  ["bad UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
  ["a byte order mark", "\ufeff{}"],
  ["a sentence", "my name is canary"],
])("%s is forwarded as {}", async (_, body) => {
  const { POST, seen } = await proxied(json(400, { ok: false, error: "invalid_event" }));
  expect(await errorOf(await POST(post(body)))).toEqual(error(400, "invalid_event"));
  expect(seen).toMatchObject([{ body: "{}" }]);
});

test("JSON is forwarded byte by byte", async () => {
  const { POST, seen } = await proxied();
  const body = ' {"count": 1e0,"event":"caf\u00e9","event":"b"}\n';
  await POST(post(body));
  expect(seen).toMatchObject([{ body }]);
});
