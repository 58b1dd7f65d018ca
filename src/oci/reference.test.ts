import { describe, expect, test } from "bun:test";
import { formatImageName, nameInStore, parseImageName } from "./image-name.ts";
import { apiHost, formatReference, parseReference } from "./reference.ts";

const digest = `sha256:${"ab".repeat(32)}`;

describe("an image reference", () => {
  test.each([
    ["debian", "docker.io/library/debian:latest"],
    ["debian:bookworm", "docker.io/library/debian:bookworm"],
    ["foo/bar", "docker.io/foo/bar:latest"],
    ["docker.io/debian", "docker.io/library/debian:latest"],
    ["index.docker.io/foo/bar:v1", "docker.io/foo/bar:v1"],
    ["localhost/x", "localhost/x:latest"],
    ["localhost:5000/x", "localhost:5000/x:latest"],
    ["localhost:5000/x:y", "localhost:5000/x:y"],
    ["127.0.0.1:5000/a/b/c:y", "127.0.0.1:5000/a/b/c:y"],
    ["[::1]:5000/x", "[::1]:5000/x:latest"],
    ["registry.example/x", "registry.example/x:latest"],
    ["Host/x", "Host/x:latest"],
    [`debian@${digest}`, `docker.io/library/debian@${digest}`],
    [`r.example:1/a__b/c-d.e_f:T.a-g_1@${digest}`, `r.example:1/a__b/c-d.e_f:T.a-g_1@${digest}`],
    [`x@sha512:${"0".repeat(128)}`, `docker.io/library/x@sha512:${"0".repeat(128)}`],
  ])("%s means %s", (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full);
    expect(formatReference(parseReference(full))).toBe(full);
  });

  test.each([
    "",
    "Debian",
    "debian:",
    "debian:a/b:",
    ":tag",
    "/debian",
    "debian/",
    "a//b",
    "-a",
    "a-",
    "a..b",
    "a___b",
    "../x",
    "r.example/../x",
    "r.example/x/..",
    "a b",
    "a\n",
    "debian@",
    "debian@sha256:abc",
    `debian@sha256:${"AB".repeat(32)}`,
    `debian@md5:${"a".repeat(32)}`,
    `debian@${digest}@${digest}`,
    `debian@sha256:${"../".repeat(21)}a`,
    "ab".repeat(32),
    "r.example:99999/x",
    "r_example.com/x",
    "-r.example/x",
    "a".repeat(256),
    `a:${"t".repeat(129)}`,
    "http://r.example/x",
    "user@r.example/x",
  ])("%p is none", (text) => {
    expect(() => parseReference(text)).toThrow("is not an image reference");
  });

  test("of the implied registry is asked for where its API is, and others where they say", () => {
    expect(apiHost(parseReference("debian").registry)).toBe("registry-1.docker.io");
    expect(apiHost(parseReference("r.example:5000/x").registry)).toBe("r.example:5000");
  });
});

describe("the name of an image", () => {
  test.each([
    ["docker.io/library/debian:bookworm", "debian-bookworm"],
    ["r.example/a/Some_Thing".toLowerCase(), "some_thing-latest"],
    [`r.example/a/x@${digest}`, "x-abababababab"],
    ["x:V1.0", "x-v1.0"],
    ["oci:/a/b.c/layout:t", "layout-t"],
    ["oci:/a/layout/", "layout"],
    ["oci-archive:/a/My Image.tar", "my-image"],
    ["docker-archive:/a/x.tar", "x"],
    ["docker-archive:/a/x.tar:foo/bar:v2", "bar-v2"],
    [`oci:/a/${"n".repeat(100)}`, "n".repeat(64)],
    ["oci:/---", "image"],
  ])("%s is %s in the store", (text, name) => {
    expect(nameInStore(parseImageName(text))).toBe(name);
    expect(name).toMatch(/^[a-z0-9][a-z0-9._-]{0,63}$/);
  });

  test("says whether it is on the disk or in a registry", () => {
    expect(parseImageName("oci:/a/b:t:u")).toEqual({ from: "oci", path: "/a/b", image: "t:u" });
    expect(parseImageName("oci-archive:/a")).toEqual({ from: "oci-archive", path: "/a", image: undefined });
    expect(formatImageName(parseImageName("docker-archive:/a.tar:x:y"))).toBe("docker-archive:/a.tar:x:y");
    expect(formatImageName(parseImageName("docker://debian"))).toBe("docker.io/library/debian:latest");
    // A repository may be called like a transport.
    expect(formatImageName(parseImageName("oci/x"))).toBe("docker.io/oci/x:latest");
    expect(() => parseImageName("oci:")).toThrow("names no file");
    expect(() => parseImageName("docker-archive::x")).toThrow("names no file");
  });
});
