const REQUEST_ID = /^(?:[0-9a-f]{16,32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** X-Request-Id as sent, if it is a UUID or 16 to 32 hex digits; else a new one. */
export function requestId(sent: string | null): string {
  return sent !== null && REQUEST_ID.test(sent) ? sent : newRequestId();
}

/** 32 hex digits. They need not be secret, and Node 18 has no global crypto. */
function newRequestId(): string {
  const word = () => Math.floor(Math.random() * 2 ** 32);
  return [word(), word(), word(), word()].map((part) => part.toString(16).padStart(8, "0")).join("");
}
