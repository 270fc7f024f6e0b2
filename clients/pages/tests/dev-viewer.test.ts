import { describe, expect, test } from "vitest";
import { EXPIRED_COOKIE, viewerCookie, viewerFromCookies, viewerIdProblem } from "../src/dev-viewer";

describe("the dev viewer", () => {
  test("takes the ids that the server takes", () => {
    for (const id of ["a", "A.b_c:d@e-9", "x".repeat(64)]) expect(viewerIdProblem(id)).toBeUndefined();
    for (const id of ["", "x".repeat(65), "a b", "a;b", "é", "a\n"])
      expect(viewerIdProblem(id)).toEqual(expect.any(String));
  });

  test("is read from the cookie that names it, if that is an id", () => {
    expect(viewerFromCookies(`theme=dark; ${viewerCookie("bob").split(";")[0]}; x=1`)).toBe("bob");
    expect(viewerFromCookies("not_sd_viewer=bob")).toBeUndefined();
    expect(viewerFromCookies("sd_viewer=a b")).toBeUndefined();
    expect(viewerFromCookies(`sd_viewer=${"x".repeat(65)}`)).toBeUndefined();
  });

  test("is set for thirty days on the whole site, and cleared where it was set", () => {
    expect(viewerCookie("bob")).toBe("sd_viewer=bob; path=/; SameSite=Strict; max-age=2592000");
    expect(EXPIRED_COOKIE).toBe("sd_viewer=; path=/; SameSite=Strict; max-age=0");
  });
});
