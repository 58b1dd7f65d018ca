/** Images that are not what they say, or lead somewhere: refused in one line, and nothing is left. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { directory, file, hardlink, symlink } from "../../src/oci/testing/flatten.ts";
import {
  type Blob,
  type BuiltImage,
  blob,
  buildImage,
  descriptor,
  digestOf,
  indexType,
  json,
  manifestType,
} from "../../src/oci/testing/image-builder.ts";
import { tar } from "../../src/oci/testing/tar-writer.ts";
import { block, end } from "../../src/tar/testing/archive.ts";
import { type HostileBed, hostileBed, ofLayer } from "./oci-hostile.ts";

const layerType = "application/vnd.oci.image.layer.v1.tar";

let bed: HostileBed;
beforeAll(async () => {
  bed = await hostileBed();
});
afterAll(() => bed.end());

describe("refused in one line, with nothing left:", () => {
  const honest = () => buildImage([tar([directory("./"), file("a", "x".repeat(5000))])]);
  const blobFile = ({ digest }: Blob) => join(bed.layout, "blobs", digest.replace(":", "/"));
  const first = ({ layers }: BuiltImage) => layers[0] ?? expect.unreachable();
  const asIndex = (bytes: Buffer) => writeFileSync(join(bed.layout, "index.json"), bytes);
  const entry = (of: Blob | { mediaType: string; digest: string; size: number }) => ({
    ...{ mediaType: of.mediaType, digest: of.digest, size: of.size },
    platform: { os: "linux", architecture: "amd64" },
    annotations: { "org.opencontainers.image.ref.name": "t" },
  });
  const index = (...manifests: object[]) => json({ schemaVersion: 2, mediaType: indexType, manifests });

  const cases: [string, RegExp, () => void][] = [
    [
      "a layer with another digest",
      /is another one/,
      () => {
        const image = honest();
        bed.put(image);
        writeFileSync(blobFile(first(image)), Buffer.alloc(first(image).size, 1));
      },
    ],
    [
      "a layer that is cut off",
      /bytes, but its manifest says/,
      () => {
        const image = honest();
        bed.put(image);
        truncateSync(blobFile(first(image)), first(image).size - 1);
      },
    ],
    [
      "a layer that was cut off before it was named",
      /is damaged, or no|unpacks to/,
      () => {
        const whole = tar([file("a", "x".repeat(5000))]);
        bed.put(ofLayer(gzipSync(whole).subarray(0, -1), digestOf(whole), `${layerType}+gzip`));
      },
    ],
    [
      "a manifest larger than any",
      /larger than 4194304 bytes/,
      () => {
        const image = honest();
        bed.put(image);
        const large = blob(
          manifestType,
          Buffer.concat([image.manifest.bytes, Buffer.alloc(4 * 1024 ** 2, " ")]),
        );
        writeFileSync(blobFile(large), large.bytes);
        asIndex(index(entry(large)));
      },
    ],
    [
      "an index larger than any",
      /larger than 4194304 bytes/,
      () => {
        bed.put(honest());
        asIndex(
          Buffer.concat([readFileSync(join(bed.layout, "index.json")), Buffer.alloc(4 * 1024 ** 2, " ")]),
        );
      },
    ],
    [
      "a wrong media type",
      /was handed out as "text\/html"/,
      () => {
        const image = honest();
        bed.put(image);
        asIndex(index(entry({ ...descriptor(image.manifest), mediaType: "text/html" })));
      },
    ],
    [
      "a layer of another media type",
      /layer of a kind that banger does not know/,
      () => bed.put(ofLayer(Buffer.from("x"), digestOf(Buffer.from("x")), "application/zip")),
    ],
    [
      "a digest that leads out",
      /is not a sha256 or sha512 digest/,
      () => {
        bed.put(honest());
        asIndex(index({ mediaType: manifestType, digest: "sha256:../../../etc/passwd", size: 10 }));
      },
    ],
    [
      "an index that leads to itself",
      /another document|leads to itself/,
      () => {
        bed.put(honest());
        const digest = `sha256:${"0".repeat(64)}`;
        const circle = index(entry({ mediaType: indexType, digest, size: 0 }));
        const sized = index(entry({ mediaType: indexType, digest, size: circle.length + 2 }));
        writeFileSync(join(bed.layout, "blobs", digest.replace(":", "/")), sized);
        asIndex(sized);
      },
    ],
    [
      "indexes without an end",
      /more than 3 deep/,
      () => {
        const image = honest();
        bed.put(image);
        let inner: Blob = image.manifest;
        for (let depth = 0; depth < 6; depth += 1) {
          inner = blob(indexType, index(entry(inner)));
          writeFileSync(blobFile(inner), inner.bytes);
        }
        asIndex(index(entry(inner)));
      },
    ],
    [
      "a size below nothing",
      /size/,
      () => {
        const image = honest();
        bed.put(image);
        asIndex(index({ ...entry(image.manifest), size: -1 }));
      },
    ],
    [
      "an entry of a size below nothing",
      /an entry of -1 bytes/,
      () => bed.put(buildImage([Buffer.concat([block({ size: Buffer.alloc(12, 0xff) }), end])])),
    ],
    ["a name that leads out", /has \.\. in it/, () => bed.put(buildImage([tar([file("../../out")])]))],
    [
      "a hard link that leads out",
      /is not there|has \.\. in it/,
      () => bed.put(buildImage([tar([symlink("up", "/../.."), hardlink("out", "up/etc/passwd")])])),
    ],
    [
      "a name that would write to a terminal",
      /has \.\. in it/,
      () => bed.put(buildImage([tar([file("\x1b]0;title\x07\n\xc2\x9b31m\xe2\x80\xae/../x")])])),
    ],
  ];

  test.each(cases)("%s", (_, says, make) => {
    make();
    const err = bed.refused(60);
    expect(err).toMatch(says);
    // Neither escapes, nor what turns the direction of text.
    expect(err.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
  });
});
