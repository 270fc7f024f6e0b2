// Whether a request comes from a page of another site. The gateway has the same rule (web/siddes_telemetry/web/
// cross_site.py), with its reasons; tests/golden/cross_site.json tests both.

const OWN_SITE = new Set(["same-origin", "same-site", "none"]); // none: typed or bookmarked, not requested by a page
const DEFAULT_PORTS = new Map([
  ["http", ":80"],
  ["https", ":443"],
]);

/** True where `origin` is not in `allowed` and either header names another site. */
export function isCrossSite(
  origin: string | null,
  fetchSite: string | null,
  host: string | null,
  allowed: ReadonlySet<string>,
): boolean {
  if (origin !== null && allowed.has(origin)) return false;
  if (fetchSite !== null && !OWN_SITE.has(fetchSite)) return true;
  if (origin === null) return false;
  if (fetchSite === "same-site" && origin !== "null") return false;
  return !isSameHost(origin, host);
}

/** Compares host and port. The scheme is unknown behind a proxy that terminates TLS. */
function isSameHost(origin: string, host: string | null): boolean {
  const [scheme = "", ...rest] = origin.toLowerCase().split("://");
  const authority = rest.join("://");
  const port = DEFAULT_PORTS.get(scheme);
  if (host === null || port === undefined || authority === "") return false;
  return withoutSuffix(authority, port) === withoutSuffix(host.toLowerCase(), port);
}

function withoutSuffix(text: string, suffix: string): string {
  return text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
}
