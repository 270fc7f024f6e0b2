// A real HTTP server in the place of the gateway: it records what it is sent, byte by byte as Node hands it over.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface Seen {
  method: string;
  url: string;
  headers: string[];
  body: string;
}

export type Reply = (response: ServerResponse, request: IncomingMessage) => void;

export interface Upstream {
  url: string;
  seen: Seen[];
  close: () => Promise<void>;
}

export async function upstream(reply: Reply): Promise<Upstream> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const { method = "", url = "", rawHeaders } = request;
    seen.push({ method, url, headers: rawHeaders, body: (await buffer(request)).toString() });
    reply(response, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** Answers as the gateway would. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
}
