// The dev viewer: a viewer id in a cookie that the server accepts in debug mode when nobody is signed in.

export const DEV_VIEWER_COOKIE = "sd_viewer"; // the server's name for it (web/auth/authenticator.py)
const MAX_AGE_S = 30 * 24 * 3600; // as long as counts are kept by default
const VIEWER_ID = /^[A-Za-z0-9._:@|+/=~-]{1,64}$/; // the server's rule (schemas/viewer.py)

/** Why an id is not accepted, as a message for the user; undefined if it is. */
export function viewerIdProblem(id: string): string | undefined {
  if (id === "") return "Type an id first.";
  if (id.length > 64) return `At most 64 characters; this has ${id.length}.`;
  return VIEWER_ID.test(id) ? undefined : "Only letters A–Z and a–z, digits and . _ : @ | + / = ~ - can be in an id.";
}

/** The viewer that a `document.cookie` names; undefined where it names none, or one that the server would refuse. */
export function viewerFromCookies(cookies: string): string | undefined {
  const found = cookies.split("; ").find((pair) => pair.startsWith(`${DEV_VIEWER_COOKIE}=`));
  const id = found?.slice(DEV_VIEWER_COOKIE.length + 1) ?? "";
  return VIEWER_ID.test(id) ? id : undefined;
}

export const viewerCookie = (id: string): string =>
  `${DEV_VIEWER_COOKIE}=${id}; path=/; SameSite=Strict; max-age=${MAX_AGE_S}`;
export const EXPIRED_COOKIE = `${DEV_VIEWER_COOKIE}=; path=/; SameSite=Strict; max-age=0`;
