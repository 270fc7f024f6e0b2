// Whether a browser sent this from somebody else's page: the rule of src/siddes_telemetry/web/cross_site.py, which
// says why. Both are held to tests/golden/cross_site.json.

const OWN_SITE = new Set(["same-origin", "same-site", "none"]); // none: typed, bookmarked; no page asked for it
const DEFAULT_PORTS = new Map([
  ["http", ":80"],
  ["https", ":443"],
]);

/** True where `origin` is not in `allowed` and either header speaks of another site. */
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

/** By host and port: the scheme is unknown behind a proxy that ends TLS. */
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
