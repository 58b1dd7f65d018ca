import { describe, expect, test } from "bun:test";
import { manifestText, parseManifest, withRelease } from "./manifest.ts";

const release = {
  tarball: "a.tar.gz",
  sums: "SHA256SUMS",
  sig: "SHA256SUMS.sig",
  date: "2026-11-28T12:00:00Z",
};

describe("a manifest", () => {
  test("leads to the newest stable version, in whatever order versions are released", () => {
    const first = withRelease(undefined, "1.0.0-rc.1", release);
    expect(first).toEqual({ schema_version: 1, latest_stable: null, releases: { "1.0.0-rc.1": release } });
    const all = ["1.10.0", "1.9.1", "1.11.0-rc.1"].reduce(
      (manifest, version) => withRelease(manifest, version, release),
      first,
    );
    expect(all.latest_stable).toBe("1.10.0");
    expect(Object.keys(all.releases)).toEqual(["1.11.0-rc.1", "1.10.0", "1.9.1", "1.0.0-rc.1"]);
    expect(parseManifest(manifestText(all), "m")).toEqual(all);
  });

  test("never gets a version for the second time", () => {
    const manifest = withRelease(undefined, "1.0.0", release);
    expect(() => withRelease(manifest, "1.0.0", release)).toThrow("released before");
  });

  test("never goes back in time: updates would take it for an old one", () => {
    const manifest = withRelease(undefined, "1.0.0", release);
    const earlier = { ...release, date: "2026-11-27T12:00:00Z" };
    expect(() => withRelease(manifest, "1.1.0", earlier)).toThrow("which is later than 2026-11-27");
  });

  test.each([
    ["no JSON", "{", "it is no JSON"],
    ["one of a later schema", '{"schema_version": 2}', "schema_version"],
    [
      "one that says more than is known here",
      JSON.stringify({ ...withRelease(undefined, "1.0.0", release), sha256: "00" }),
      "sha256",
    ],
    [
      "one with a path for a version",
      JSON.stringify({ schema_version: 1, latest_stable: "../x", releases: {} }),
      "latest_stable",
    ],
  ])("is not added to when it is %s", (_, text, why) => {
    expect(() => parseManifest(text, "m")).toThrow(why);
  });
});
