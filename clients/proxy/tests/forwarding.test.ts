import { expect, test } from "vitest";
import { telemetryProxy } from "../src/index";
import { COUNT, get, HERE, post, proxied } from "./harness";

test.each([
  ["", "/api/telemetry/ingest"],
  ["/", "/api/telemetry/ingest"],
  ["/ingest", "/api/telemetry/ingest"],
  ["/batch", "/api/telemetry/batch"],
  ["/batch/", "/api/telemetry/batch"],
  ["/batch/..%2fadmin", "/api/telemetry/ingest"],
])("a POST to %s goes to %s", async (path, expected) => {
  const { POST, seen } = await proxied();
  await POST(post(COUNT, {}, `${HERE}${path}?days=7&viewer=canary`));
  expect(seen).toMatchObject([{ method: "POST", url: expected, body: COUNT }]);
});

test.each([
  ["", "", "/api/telemetry/summary"],
  ["/summary", "?days=7", "/api/telemetry/summary?days=7"],
  ["/series", "?interval=hour&canary=1&days=1", "/api/telemetry/series?days=1&interval=hour"],
  ["/series", "?days=a%26viewer%3Dbob", "/api/telemetry/series?days=a%26viewer%3Dbob"],
  ["", `?days=${"1".repeat(16)}`, `/api/telemetry/summary?days=${"1".repeat(16)}`],
  ["", `?days=${"1".repeat(17)}`, "/api/telemetry/summary"],
  ["", `?days=${"\u{1d7d9}".repeat(9)}`, "/api/telemetry/summary"],
  ["/summary", "?compare=previous&days=7", "/api/telemetry/summary?days=7&compare=previous"],
  ["/series", "?tz=Europe/Berlin", "/api/telemetry/series?tz=Europe%2FBerlin"],
  ["/series", "?tz=Etc%2FGMT%2B5&tz=UTC", "/api/telemetry/series?tz=Etc%2FGMT%2B5"],
  ["/series", `?tz=${"a".repeat(40)}`, `/api/telemetry/series?tz=${"a".repeat(40)}`],
  ["/series", `?tz=${"a".repeat(41)}`, "/api/telemetry/series?tz="],
  ["/series", "?tz=Europe.Berlin", "/api/telemetry/series?tz="],
  ["/series", "?tz=Europe/Berlin%0A", "/api/telemetry/series?tz="],
  ["/series", "?tz=", "/api/telemetry/series?tz="],
])("a GET of %s%s goes to %s", async (path, query, expected) => {
  const { GET, seen } = await proxied();
  await GET(get(query, {}, path));
  expect(seen).toMatchObject([{ method: "GET", url: expected, body: "" }]);
});

test("reads go to summaryUrl, and a path in a base URL is a prefix", async () => {
  const summary = await proxied();
  const { GET, POST, seen } = await proxied(undefined, { summaryUrl: `${summary.url}/deep/` });
  await GET(get());
  await POST(post(COUNT));
  expect(summary.seen.map(({ url }) => url)).toEqual(["/deep/api/telemetry/summary"]);
  expect(seen.map(({ url }) => url)).toEqual(["/api/telemetry/ingest"]);
});

const CANARY = "canary7d1e";
const LEAKY = {
  authorization: `Bearer ${CANARY}`,
  cookie: `a=${CANARY}; xsessionid=${CANARY}; sessionid=s=1; sessionid=${CANARY}; sd_viewer=${CANARY}`,
  "user-agent": CANARY,
  accept: CANARY,
  "accept-language": CANARY,
  "accept-encoding": CANARY,
  referer: `http://app.example/${CANARY}`,
  origin: "http://app.example",
  "sec-fetch-site": "same-origin",
  "x-forwarded-for": CANARY,
  forwarded: `for=${CANARY}`,
  "x-real-ip": CANARY,
  "x-sd-viewer": CANARY,
  "if-none-match": CANARY,
  "x-request-id": CANARY,
  "x-anything": CANARY,
  "content-type": "text/plain",
};
const CONSTANT = {
  accept: "application/json",
  "accept-encoding": "identity",
  "accept-language": "*",
  "user-agent": "siddes-telemetry-proxy",
};
// fetch's own, the same for everybody; Host is upstream's
const OF_FETCH = ["host", "connection", "sec-fetch-mode", "pragma", "cache-control", "content-length"];

function byName(raw: string[] = []): Record<string, string | undefined> {
  const pairs = raw.flatMap((name, at): [string, string | undefined][] =>
    at % 2 ? [] : [[name.toLowerCase(), raw[at + 1]]],
  );
  expect(new Set(pairs.map(([name]) => name)).size).toBe(pairs.length);
  return Object.fromEntries(pairs.filter(([name]) => !OF_FETCH.includes(name)));
}

test("of a write, the session cookie and the content type pass, and nothing else", async () => {
  const { POST, seen } = await proxied();
  const response = await POST(post(COUNT, LEAKY, `${HERE}?q=${CANARY}&days=1`));
  const id = response.headers.get("x-request-id");
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(byName(seen[0]?.headers)).toEqual({
    ...CONSTANT,
    "content-type": "text/plain",
    cookie: "sessionid=s=1",
    "x-request-id": id,
  });
  expect(JSON.stringify(seen)).not.toContain(CANARY);
});

test("of a read, the session cookie passes, and nothing else", async () => {
  const { GET, seen } = await proxied();
  const response = await GET(get(`?q=${CANARY}`, LEAKY, `/${CANARY}`));
  const id = response.headers.get("x-request-id");
  expect(byName(seen[0]?.headers)).toEqual({ ...CONSTANT, cookie: "sessionid=s=1", "x-request-id": id });
  expect(JSON.stringify(seen)).not.toContain(CANARY);
});

test("in development the dev viewer passes too", async () => {
  const { GET, seen } = await proxied(undefined, { development: true });
  await GET(get("", { cookie: "a=b; sd_viewer=alice; sessionid=s", "x-sd-viewer": "bob" }));
  expect(byName(seen[0]?.headers)).toMatchObject({ cookie: "sessionid=s; sd_viewer=alice", "x-sd-viewer": "bob" });
});

function chunks(number: number): string {
  return Array.from({ length: number }, (_, at) => `sessionid.${at}=x`).join("; ");
}

test.each([
  ["", undefined],
  ["sessionid", undefined],
  ["sessionid=", undefined],
  ["sessionid=; sessionid=second", undefined],
  ["sessionid=caf\u00e9", undefined],
  [`sessionid=${"x".repeat(4097)}`, undefined],
  ["SessionId=x", undefined],
  ["other=sessionid=x", undefined],
  ['a=b;sessionid="q" ', 'sessionid="q"'],
  ["\tsessionid = x ; a=b", "sessionid=x"],
  ["sessionid.1=y; a=b; sessionid.0=x; sessionid.3=z", "sessionid.0=x; sessionid.1=y"],
  ["sessionid=; sessionid.0=x", "sessionid.0=x"],
  ["sessionid.0=x; sessionid=y", "sessionid=y"],
  ["sessionid.1=y; xsessionid.0=x", undefined],
  [chunks(8), chunks(8)],
  [chunks(9), undefined],
])("of the cookies %j passes %j", async (cookie, expected) => {
  const { GET, seen } = await proxied();
  await GET(get("", { cookie }));
  expect(byName(seen[0]?.headers).cookie).toBe(expected);
});

test.each([
  ["cookies", ";".repeat(15_000)],
  ["spaces", `sessionid=a${" ".repeat(15_000)}b`],
])("a header of thousands of %s is read in one pass", async (_, filler) => {
  const { GET } = await proxied(undefined, { fetch: async () => Response.json({ ok: true }) });
  const took = async (cookie: string) => {
    const times: number[] = [];
    for (let time = 0; time < 5; time++) {
      const from = performance.now();
      await GET(get("", { cookie }));
      times.push(performance.now() - from);
    }
    return Math.min(...times);
  };
  await took("sessionid=x");
  expect(await took(`${filler}; ${chunks(9)}`)).toBeLessThan(10 * (await took("x".repeat(15_000))) + 5);
});

test("the session cookie may have another name", async () => {
  const { GET, seen } = await proxied(undefined, { sessionCookie: "__Host-session" });
  await GET(get("", { cookie: "sessionid=x; __Host-session=y" }));
  expect(byName(seen[0]?.headers).cookie).toBe("__Host-session=y");
});

test.each(["6b1f4f6e-3f0c-4f4e-9d53-0a7a3f1f9c11", "0123456789ABCDEF"])("request id %s is taken over", async (id) => {
  const { GET, seen } = await proxied();
  const response = await GET(get("", { "x-request-id": id }));
  expect(response.headers.get("x-request-id")).toBe(id);
  expect(byName(seen[0]?.headers)["x-request-id"]).toBe(id);
});

test("request ids that are made differ", async () => {
  const { POST } = await proxied();
  const foreign = () => POST(post(COUNT, { origin: "http://evil.example" }));
  const ids = (await Promise.all([foreign(), foreign()])).map(({ headers }) => headers.get("x-request-id"));
  expect(new Set(ids).size).toBe(2);
});

test("fetch is asked to cache nothing, to follow nothing, and to add nothing of its own", async () => {
  const asked: (RequestInit | undefined)[] = [];
  const fake: typeof fetch = async (_, init) => {
    asked.push(init);
    return Response.json({ ok: true });
  };
  const { GET } = telemetryProxy({ ingestUrl: "http://upstream.example", fetch: fake });
  expect((await GET(get())).status).toBe(200);
  expect(asked).toMatchObject([{ cache: "no-store", redirect: "manual", headers: CONSTANT }]);
});
