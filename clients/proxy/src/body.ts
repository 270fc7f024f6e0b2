import { ProxyError } from "./errors";

const DIGITS = /^\d+$/;
const EMPTY_OBJECT = new TextEncoder().encode("{}");

/**
 * The body to forward: as sent if it is JSON, else `{}`, which the gateway refuses with the right error.
 * Throws ProxyError unsupported_type or too_large.
 */
export async function requestBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const codings = (request.headers.get("content-encoding") ?? "").split(",").map((coding) => coding.trim());
  if (!codings.every((coding) => ["", "identity"].includes(coding.toLowerCase()))) {
    throw new ProxyError("unsupported_type");
  }
  const declared = request.headers.get("content-length") ?? "";
  if (DIGITS.test(declared) && Number(declared) > maxBytes) throw new ProxyError("too_large");
  const body = await readBounded(request.body, maxBytes);
  if (body === undefined) throw new ProxyError("too_large");
  return isJson(body) ? body : EMPTY_OBJECT;
}

/** All bytes of a stream. Where there are more than `maxBytes`, cancels it and returns undefined. */
export async function readBounded(
  stream: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const reader = stream?.getReader();
  for (let piece = await reader?.read(); piece?.value !== undefined; piece = await reader?.read()) {
    size += piece.value.byteLength;
    if (size > maxBytes) {
      reader?.cancel().catch(() => undefined); // not awaited: the sender may be slow to react
      return undefined;
    }
    pieces.push(piece.value);
  }
  return joined(pieces, size);
}

/** Whether these bytes are JSON in UTF-8, without a byte order mark (RFC 8259, 8.1). */
export function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}

function joined(pieces: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}
