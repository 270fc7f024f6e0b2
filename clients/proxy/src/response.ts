/** The parts of a response to the browser that vary, beside the request id. */
export interface ProxyResponse {
  readonly status: number;
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly retryAfter?: string;
}

export function toResponse({ status, body, retryAfter }: ProxyResponse, id: string): Response {
  const headers = new Headers({
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": id,
  });
  if (retryAfter !== undefined) headers.set("retry-after", retryAfter);
  return new Response(body, { status, headers });
}
