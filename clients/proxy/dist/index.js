// proxy/src/errors.ts
var STATUS = { forbidden_origin: 403, too_large: 413, unsupported_type: 415, unavailable: 503 };
var MIN_RETRY_AFTER_S = 1;
var MAX_RETRY_AFTER_S = 5;
var ProxyError = class extends Error {
  code;
  constructor(code) {
    super(code);
    this.code = code;
  }
};
function errorResponse(code) {
  const spread = MAX_RETRY_AFTER_S - MIN_RETRY_AFTER_S + 1;
  const retryAfter = String(MIN_RETRY_AFTER_S + Math.floor(Math.random() * spread));
  const body = `{"ok":false,"error":"${code}"}`;
  return { status: STATUS[code], body, ...code === "unavailable" ? { retryAfter } : {} };
}

// proxy/src/body.ts
var DIGITS = /^\d+$/;
var EMPTY_OBJECT = new TextEncoder().encode("{}");
async function requestBody(request, maxBytes) {
  const codings = (request.headers.get("content-encoding") ?? "").split(",").map((coding) => coding.trim());
  if (!codings.every((coding) => ["", "identity"].includes(coding.toLowerCase()))) {
    throw new ProxyError("unsupported_type");
  }
  const declared = request.headers.get("content-length") ?? "";
  if (DIGITS.test(declared) && Number(declared) > maxBytes) throw new ProxyError("too_large");
  const body = await readBounded(request.body, maxBytes);
  if (body === void 0) throw new ProxyError("too_large");
  return isJson(body) ? body : EMPTY_OBJECT;
}
async function readBounded(stream, maxBytes) {
  const pieces = [];
  let size = 0;
  const reader = stream?.getReader();
  for (let piece = await reader?.read(); piece?.value !== void 0; piece = await reader?.read()) {
    size += piece.value.byteLength;
    if (size > maxBytes) {
      reader?.cancel().catch(() => void 0);
      return void 0;
    }
    pieces.push(piece.value);
  }
  return joined(pieces, size);
}
function isJson(bytes) {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}
function joined(pieces, size) {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

// proxy/src/cross-site.ts
var OWN_SITE = /* @__PURE__ */ new Set(["same-origin", "same-site", "none"]);
var DEFAULT_PORTS = /* @__PURE__ */ new Map([
  ["http", ":80"],
  ["https", ":443"]
]);
function isCrossSite(origin, fetchSite, host, allowed) {
  if (origin !== null && allowed.has(origin)) return false;
  if (fetchSite !== null && !OWN_SITE.has(fetchSite)) return true;
  if (origin === null) return false;
  if (fetchSite === "same-site" && origin !== "null") return false;
  return !isSameHost(origin, host);
}
function isSameHost(origin, host) {
  const [scheme = "", ...rest] = origin.toLowerCase().split("://");
  const authority = rest.join("://");
  const port = DEFAULT_PORTS.get(scheme);
  if (host === null || port === void 0 || authority === "") return false;
  return withoutSuffix(authority, port) === withoutSuffix(host.toLowerCase(), port);
}
function withoutSuffix(text, suffix) {
  return text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
}

// proxy/src/cookies.ts
var COOKIE_VALUE = /^[ -~]{1,4096}$/;
var MAX_CHUNKS = 8;
function sessionPairs(header, name) {
  const cookies = cookiesContaining(header, name);
  const whole = validPair(cookies, name);
  if (whole.length > 0) return whole;
  const chunks = [];
  while (chunks.length <= MAX_CHUNKS) {
    const chunk = validPair(cookies, `${name}.${chunks.length}`);
    if (chunk.length === 0) return chunks;
    chunks.push(...chunk);
  }
  return [];
}
function cookiePair(header, name) {
  return validPair(cookiesContaining(header, name), name);
}
function validPair(cookies, name) {
  const value = cookies.get(name) ?? "";
  return COOKIE_VALUE.test(value) ? [`${name}=${value}`] : [];
}
function cookiesContaining(header, text) {
  const first = /* @__PURE__ */ new Map();
  let at = header.indexOf(text);
  while (at >= 0) {
    const semicolon = header.indexOf(";", at);
    const end = semicolon < 0 ? header.length : semicolon;
    const pair = header.slice(header.lastIndexOf(";", at) + 1, end);
    const [key = "", ...rest] = pair.split("=");
    const name = trimBlanks(key);
    if (!first.has(name)) first.set(name, trimBlanks(rest.join("=")));
    at = header.indexOf(text, end);
  }
  return first;
}
function trimBlanks(text) {
  let from = 0;
  let to = text.length;
  while (isBlank(text[from])) from++;
  while (to > from && isBlank(text[to - 1])) to--;
  return text.slice(from, to);
}
function isBlank(character) {
  return character === " " || character === "	";
}

// proxy/src/request-headers.ts
var DEV_VIEWER_COOKIE = "sd_viewer";
var DEV_VIEWER_HEADER = "x-sd-viewer";
var CONSTANT_HEADERS = {
  accept: "application/json",
  "accept-encoding": "identity",
  "accept-language": "*",
  "user-agent": "siddes-telemetry-proxy"
};
function upstreamHeaders(settings, sent, id) {
  const headers = { ...CONSTANT_HEADERS, "x-request-id": id };
  const sentCookies = sent.get("cookie") ?? "";
  const cookies = sessionPairs(sentCookies, settings.sessionCookie);
  if (settings.development) cookies.push(...cookiePair(sentCookies, DEV_VIEWER_COOKIE));
  if (cookies.length > 0) headers.cookie = cookies.join("; ");
  const viewer = sent.get(DEV_VIEWER_HEADER);
  if (settings.development && viewer !== null) headers[DEV_VIEWER_HEADER] = viewer;
  return headers;
}

// proxy/src/request-id.ts
var REQUEST_ID = /^(?:[0-9a-f]{16,32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;
function requestId(sent) {
  return sent !== null && REQUEST_ID.test(sent) ? sent : newRequestId();
}
function newRequestId() {
  const word = () => Math.floor(Math.random() * 2 ** 32);
  return [word(), word(), word(), word()].map((part) => part.toString(16).padStart(8, "0")).join("");
}

// proxy/src/response.ts
function toResponse({ status, body, retryAfter }, id) {
  const headers = new Headers({
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-request-id": id
  });
  if (retryAfter !== void 0) headers.set("retry-after", retryAfter);
  return new Response(body, { status, headers });
}

// proxy/src/routes.ts
var MAX_SINGLE_BYTES = 64 * 1024;
var MAX_BATCH_BYTES = 256 * 1024;
var QUERY_PARAMETERS = ["days", "interval", "compare", "tz"];
var MAX_PARAMETER_LENGTH = 16;
var ZONE_NAME = /^[A-Za-z0-9_+/-]{1,40}$/;
var NO_ZONE = "";
function writeRoute(settings, url) {
  return lastSegment(url) === "batch" ? { url: `${settings.ingestUrl}/api/telemetry/batch`, maxBytes: MAX_BATCH_BYTES } : { url: `${settings.ingestUrl}/api/telemetry/ingest`, maxBytes: MAX_SINGLE_BYTES };
}
function readUrl(settings, url) {
  const target = new URL(
    `${settings.summaryUrl}/api/telemetry/${lastSegment(url) === "series" ? "series" : "summary"}`
  );
  for (const name of QUERY_PARAMETERS) {
    const value = url.searchParams.get(name);
    if (value === null) continue;
    if (name === "tz") target.searchParams.set(name, ZONE_NAME.test(value) ? value : NO_ZONE);
    else if (value.length <= MAX_PARAMETER_LENGTH) target.searchParams.set(name, value);
  }
  return target.href;
}
function lastSegment(url) {
  return url.pathname.split("/").filter(Boolean).at(-1);
}

// proxy/src/settings.ts
var DEFAULT_TIMEOUT_MS = 12e3;
var MAX_TIMEOUT_MS = 6e5;
var DEFAULT_SESSION_COOKIE = "sessionid";
var COOKIE_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
var ORIGIN = /^https?:\/\/[A-Za-z0-9.[\]:-]+$/;
function settingsFrom(options) {
  const {
    sessionCookie = DEFAULT_SESSION_COOKIE,
    development = false,
    origins = [],
    timeoutMs = DEFAULT_TIMEOUT_MS
  } = options;
  const { fetch = (input, init) => globalThis.fetch(input, init) } = options;
  const ingestUrl = baseUrl("ingestUrl", options.ingestUrl);
  const summaryUrl = options.summaryUrl === void 0 ? ingestUrl : baseUrl("summaryUrl", options.summaryUrl);
  insist(COOKIE_NAME.test(sessionCookie), "sessionCookie must be the name of a cookie");
  insist(typeof development === "boolean", "development must be true or false");
  insist(
    Array.isArray(origins) && origins.every((origin) => ORIGIN.test(origin)),
    "origins must be a list of origins such as https://app.example"
  );
  insist(typeof fetch === "function", "fetch must be a function");
  insist(
    Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS,
    `timeoutMs must be a whole number from 1 to ${MAX_TIMEOUT_MS}`
  );
  return { ingestUrl, summaryUrl, sessionCookie, development, origins: new Set(origins), fetch, timeoutMs };
}
function baseUrl(name, value) {
  const url = parseUrl(value);
  const isBase = url !== void 0 && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  insist(isBase, `${name} must be an absolute http(s) URL without credentials, query or fragment`);
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}
function parseUrl(value) {
  try {
    return new URL(value);
  } catch {
    return void 0;
  }
}
function insist(condition, message) {
  if (!condition) throw new Error(`telemetryProxy: ${message}`);
}

// proxy/src/upstream.ts
var MAX_RESPONSE_BYTES = 1024 * 1024;
var GATEWAY_ERRORS = /* @__PURE__ */ new Set([502, 504]);
var RETRY_AFTER = /^\d{1,6}$/;
async function fetchUpstream(settings, request, browser) {
  const { url, ...init } = request;
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, settings.timeoutMs);
  browser.addEventListener("abort", abort, { once: true });
  if (browser.aborted) abort();
  try {
    const { signal } = controller;
    return await forwardable(await settings.fetch(url, { ...init, signal, redirect: "manual", cache: "no-store" }));
  } finally {
    clearTimeout(timer);
    browser.removeEventListener("abort", abort);
  }
}
async function forwardable(response) {
  const { status, headers } = response;
  const body = isForwardable(response) ? await readBounded(response.body, MAX_RESPONSE_BYTES) : void 0;
  if (body === void 0 || !isJson(body)) {
    response.body?.cancel().catch(() => void 0);
    throw new ProxyError("unavailable");
  }
  const retryAfter = headers.get("retry-after") ?? "";
  return { status, body, ...RETRY_AFTER.test(retryAfter) ? { retryAfter } : {} };
}
function isForwardable({ status, headers }) {
  const isOwn = status >= 200 && status < 300 || status >= 400 && status < 600 && !GATEWAY_ERRORS.has(status);
  const [essence = ""] = (headers.get("content-type") ?? "").split(";");
  return isOwn && essence.trim().toLowerCase() === "application/json";
}

// proxy/src/index.ts
function telemetryProxy(options) {
  const settings = settingsFrom(options);
  return {
    GET: (request) => handle(request, (id) => read(settings, request, id)),
    POST: (request) => handle(request, (id) => write(settings, request, id))
  };
}
async function read(settings, request, id) {
  const url = readUrl(settings, new URL(request.url));
  const headers = upstreamHeaders(settings, request.headers, id);
  return fetchUpstream(settings, { method: "GET", url, headers }, request.signal);
}
async function write(settings, request, id) {
  const sent = request.headers;
  const here = new URL(request.url);
  const host = sent.get("host") ?? here.host;
  if (isCrossSite(sent.get("origin"), sent.get("sec-fetch-site"), host, settings.origins)) {
    throw new ProxyError("forbidden_origin");
  }
  const { url, maxBytes } = writeRoute(settings, here);
  const body = await requestBody(request, maxBytes);
  const headers = upstreamHeaders(settings, sent, id);
  const contentType = sent.get("content-type");
  if (contentType !== null) headers["content-type"] = contentType;
  return fetchUpstream(settings, { method: "POST", url, headers, body }, request.signal);
}
async function handle(request, respond) {
  const id = requestId(request.headers.get("x-request-id"));
  try {
    return toResponse(await respond(id), id);
  } catch (error) {
    return toResponse(errorResponse(error instanceof ProxyError ? error.code : "unavailable"), id);
  }
}
export {
  telemetryProxy
};
