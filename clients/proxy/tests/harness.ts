// The proxy in front of an upstream that the test writes, and what a browser sends it.

import { afterEach } from "vitest";
import { type TelemetryProxyOptions, telemetryProxy } from "../src/index";
import { json, type Reply, type Upstream, upstream } from "./fake-upstream";

export const HERE = "http://app.example/api/telemetry";
export const COUNT = '{"event":"suggestion_accepted","count":3}';
export const KIB = 1024;

const opened: Upstream[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

/** The handlers, and where upstream is and what it has seen; it closes after the test. */
export async function proxied(reply: Reply = json(200, { ok: true }), options: Partial<TelemetryProxyOptions> = {}) {
  const server = await upstream(reply);
  opened.push(server);
  const { url, seen } = server;
  return { ...telemetryProxy({ ingestUrl: url, ...options }), url, seen };
}

export function post(body: BodyInit | null, headers: Record<string, string> = {}, url = HERE): Request {
  return new Request(url, {
    method: "POST",
    body,
    headers: { host: "app.example", ...headers },
    duplex: "half",
  } as RequestInit);
}

export function get(query = "", headers: Record<string, string> = {}, path = ""): Request {
  return new Request(`${HERE}${path}${query}`, { headers: { host: "app.example", ...headers } });
}

/** Status and body, to compare with what `error` makes. */
export async function errorOf(response: Response): Promise<[number, unknown]> {
  return [response.status, await response.json()];
}

export const error = (status: number, code: string) => [status, { ok: false, error: code }];
export const UNAVAILABLE = error(503, "unavailable");
