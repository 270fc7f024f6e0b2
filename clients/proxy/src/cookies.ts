const COOKIE_VALUE = /^[ -~]{1,4096}$/; // printable ASCII; browsers keep at most 4096 characters (RFC 6265, 6.1)
const MAX_CHUNKS = 8; // of one session; the gateway's limit too

/**
 * The session as `name=value` pairs: its cookie, or else the chunks name.0, name.1, … into which Auth.js splits a long
 * one. Empty where there is none, or where it has too many chunks.
 */
export function sessionPairs(header: string, name: string): string[] {
  const cookies = cookiesContaining(header, name);
  const whole = validPair(cookies, name);
  if (whole.length > 0) return whole;
  const chunks: string[] = [];
  while (chunks.length <= MAX_CHUNKS) {
    const chunk = validPair(cookies, `${name}.${chunks.length}`);
    if (chunk.length === 0) return chunks;
    chunks.push(...chunk);
  }
  return [];
}

/** The cookie of this name as a list of one pair; empty where there is none. */
export function cookiePair(header: string, name: string): string[] {
  return validPair(cookiesContaining(header, name), name);
}

/** `name=value` as sent, with any quotes; empty where the value is missing, empty or not printable. */
function validPair(cookies: ReadonlyMap<string, string>, name: string): string[] {
  const value = cookies.get(name) ?? "";
  return COOKIE_VALUE.test(value) ? [`${name}=${value}`] : [];
}

/**
 * The cookies whose pair contains `text`, by name. Of equal names the first one counts: browsers send the most specific
 * path first (RFC 6265, 5.4). Other cookies, of which there may be thousands, are not parsed.
 */
function cookiesContaining(header: string, text: string): ReadonlyMap<string, string> {
  const first = new Map<string, string>();
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

/** Trims spaces and tabs. By hand: a regular expression takes quadratic time on blanks in the middle. */
function trimBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (isBlank(text[from])) from++;
  while (to > from && isBlank(text[to - 1])) to--;
  return text.slice(from, to);
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}
