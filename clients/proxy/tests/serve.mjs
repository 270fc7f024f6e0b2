// Serves the built proxy on a free port of loopback, for tests/integration/test_proxy.py:
//   node serve.mjs '{"ingestUrl":"http://127.0.0.1:8080"}'
// Says `ready: URL` on standard output, and ends with its process.

import { createServer } from "node:http";
import { Readable } from "node:stream";
import { telemetryProxy } from "../dist/index.js";

const handlers = telemetryProxy(JSON.parse(process.argv[2]));

const server = createServer(async (incoming, outgoing) => {
  const browser = new AbortController();
  outgoing.once("close", () => browser.abort());
  const request = new Request(new URL(incoming.url, "http://internal.invalid"), {
    method: incoming.method,
    headers: Object.entries(incoming.headersDistinct).flatMap(([name, values]) => values.map((value) => [name, value])),
    body: incoming.method === "POST" ? Readable.toWeb(incoming) : null,
    duplex: "half",
    signal: browser.signal,
  });
  const response = await handlers[incoming.method](request);
  outgoing.writeHead(response.status, [...response.headers].flat());
  outgoing.end(new Uint8Array(await response.arrayBuffer()));
});

server.listen(0, "127.0.0.1", () => console.log(`ready: http://127.0.0.1:${server.address().port}`));
