import { expect, test } from "bun:test";
import { sanitiseRemoteUrl } from "./remote-url.ts";

test("web URLs travel without user, password, token, query and fragment", () => {
  const cases: [string, string][] = [
    ["https://example.org/a/b.git", "https://example.org/a/b.git"],
    ["https://token@example.org/a", "https://example.org/a"],
    ["https://user:p@ss:w@example.org:8443/a", "https://example.org:8443/a"],
    ["HTTPS://u:p@[::1]:80/x", "https://[::1]:80/x"],
    ["https://example.org/a?access_token=x#y", "https://example.org/a"],
    ["https://u:p@example.org", "https://example.org"],
  ];
  for (const [url, safe] of cases) expect(sanitiseRemoteUrl(url)).toBe(safe);
});

test("ssh URLs keep their account and lose a password", () => {
  expect(sanitiseRemoteUrl("ssh://git@example.org/a.git")).toBe("ssh://git@example.org/a.git");
  expect(sanitiseRemoteUrl("ssh://git:secret@example.org:22/a")).toBe("ssh://git@example.org:22/a");
  expect(sanitiseRemoteUrl("git@example.org:a/b.git")).toBe("git@example.org:a/b.git");
  expect(sanitiseRemoteUrl("example.org:a")).toBe("example.org:a");
  expect(sanitiseRemoteUrl(`${"x".repeat(40)}@example.org:a`)).toBe("example.org:a");
});

test("paths on the host, remote helpers and odd text do not travel", () => {
  for (const url of [
    "",
    "/srv/git/x",
    "../x",
    "./a:b",
    "file:///srv/x",
    "ext::sh -c id",
    "ext::id",
    "fd::7",
    "https://a b/c",
    "https://a\nb",
    "ssh://-oProxyCommand=id/x",
    "-oProxyCommand=id:x",
    "git@-x:y",
    "javascript:alert`1`",
    "https:\\\\user@x",
  ]) {
    expect(sanitiseRemoteUrl(url)).toBeUndefined();
  }
});
