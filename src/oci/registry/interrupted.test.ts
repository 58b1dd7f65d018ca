import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { rmSync, statSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { failure, saying } from "../testing/failures.ts";
import { type BuiltImage, buildImage } from "../testing/image-builder.ts";
import { registryBench } from "../testing/registry-bench.ts";
import { tar } from "../testing/tar-writer.ts";

/** Incompressible, so that its size on the way is known. */
const content = randomBytes(600_000);
const honest = buildImage([tar([{ path: "a", content: "lower" }]), tar([{ path: "b", content }])]);
const large = honest.layers[1]?.digest;
const bench = registryBench(honest);
const { pull } = bench;

/** Sends only the first `bytes` of what it promises, and breaks the connection. */
function cut(response: ServerResponse, blob: Buffer, bytes: number, from = 0): void {
  response.writeHead(from > 0 ? 206 : 200, {
    "content-length": blob.length - from,
    ...(from > 0 ? { "content-range": `bytes ${from}-${blob.length - 1}/${blob.length}` } : {}),
  });
  response.write(blob.subarray(from, from + bytes), () => setTimeout(() => response.destroy(), 20));
}

function blobOf(image: BuiltImage, digest: string | undefined): Buffer {
  return image.blobs.get(digest ?? "") ?? Buffer.alloc(0);
}

describe("a connection that breaks", () => {
  test("is gone on with from the byte where it broke, as often as needed", async () => {
    const blob = blobOf(honest, large);
    let answers = 0;
    bench.registry.intercept = (request, response) => {
      if (!request.url?.endsWith(`${large}`) || answers === 3) return false;
      answers += 1;
      const from = Number(/(\d+)-$/.exec(request.headers.range ?? "0-")?.[1]);
      cut(response, blob, 100_000, from);
      return true;
    };
    expect((await pull()).root.names()).toEqual(["a", "b"]);
    const asked = bench.registry.requests.filter((line) => line.includes(`${large}`));
    expect(asked).toHaveLength(4);
    expect(asked.slice(1).every((line) => line.includes("bytes="))).toBe(true);
  });

  test("is begun anew where the server knows no ranges, and what is there is kept", async () => {
    const blob = blobOf(honest, large);
    let answers = 0;
    bench.registry.intercept = (request, response) => {
      if (!request.url?.endsWith(`${large}`)) return false;
      answers += 1;
      if (answers === 1) cut(response, blob, 300_000);
      else response.writeHead(200, { "content-length": blob.length }).end(blob);
      return true;
    };
    expect((await pull()).root.names()).toEqual(["a", "b"]);
    expect(answers).toBe(2);
  });

  test("is begun anew where the server refuses every range", async () => {
    const blob = blobOf(honest, large);
    let answers = 0;
    bench.registry.intercept = (request, response) => {
      if (!request.url?.endsWith(`${large}`)) return false;
      answers += 1;
      if (answers === 1) cut(response, blob, 300_000);
      else if (request.headers.range !== undefined) response.writeHead(416).end();
      else response.writeHead(200, { "content-length": blob.length }).end(blob);
      return true;
    };
    expect((await pull()).root.names()).toEqual(["a", "b"]);
    expect(answers).toBe(3);
  });

  test("is told of after some attempts, and the next pull goes on from there", async () => {
    const blob = blobOf(honest, large);
    bench.registry.intercept = (request, response) => {
      if (!request.url?.endsWith(`${large}`)) return false;
      const from = Number(/(\d+)-$/.exec(request.headers.range ?? "0-")?.[1]);
      cut(response, blob, 1000, from);
      return true;
    };
    expect(await failure(pull())).toMatchObject(saying("unavailable", /cannot be fetched/));
    const [partial = ""] = bench.blobs().filter((name) => name.endsWith(".partial"));
    const kept = statSync(join(bench.cache, "oci/blobs/sha256", partial)).size;
    expect(kept).toBeGreaterThan(0);
    bench.registry.intercept = () => false;
    expect((await pull()).root.names()).toEqual(["a", "b"]);
    expect(bench.registry.requests.at(-1)).toContain(`bytes=${kept}-`);
  });

  test("an answer of another range is not taken", async () => {
    const blob = blobOf(honest, large);
    let answers = 0;
    bench.registry.intercept = (request, response) => {
      if (!request.url?.endsWith(`${large}`)) return false;
      answers += 1;
      if (answers === 1) cut(response, blob, 200_000);
      else if (answers === 2) {
        response
          .writeHead(206, { "content-range": `bytes 7-${blob.length - 1}/${blob.length}` })
          .end(blob.subarray(7));
      } else return false;
      return true;
    };
    expect((await pull()).root.names()).toEqual(["a", "b"]);
  });

  test("what an earlier pull left of another blob does no harm", async () => {
    await pull();
    const hex = large?.slice(7) ?? "";
    rmSync(join(bench.cache, "oci/blobs/sha256", hex));
    writeFileSync(join(bench.cache, "oci/blobs/sha256", `.${hex}.partial`), randomBytes(5000));
    expect((await pull()).root.names()).toEqual(["a", "b"]);
  });

  test("server errors and requests to slow down are waited for, and then told", async () => {
    let answers = 0;
    bench.registry.intercept = (_, response) => {
      answers += 1;
      if (answers > 3) return false;
      response.writeHead(answers === 1 ? 503 : 429, { "retry-after": "0" }).end();
      return true;
    };
    expect((await pull()).root.names()).toEqual(["a", "b"]);
    bench.registry.intercept = (_, response) => {
      response.writeHead(500).end("oops");
      return true;
    };
    expect(await failure(pull())).toMatchObject(saying("unavailable", /answered with status 500/));
  });

  test("a server that says nothing any more, or next to nothing, is left", async () => {
    bench.registry.intercept = (request) => request.url?.endsWith(`${large}`) === true;
    expect(await failure(pull({ patience: { silenceMs: 50 } }))).toMatchObject(
      saying("unavailable", /said nothing for/),
    );
    bench.registry.intercept = (request, response) => {
      if (!request.url?.endsWith(`${large}`)) return false;
      response.writeHead(200);
      const drip = setInterval(() => response.write("x"), 5);
      response.on("close", () => clearInterval(drip));
      return true;
    };
    const slow = { slowMs: 60, slowBytes: 1_000_000 };
    expect(await failure(pull({ patience: slow }))).toMatchObject(
      saying("unavailable", /only \d+ bytes came/),
    );
  });

  test("a pull that is called off ends, and leaves what it has", async () => {
    const abort = new AbortController();
    bench.registry.intercept = (request, response) => {
      if (!request.url?.endsWith(`${large}`)) return false;
      response.writeHead(200, { "content-length": blobOf(honest, large).length });
      response.write(blobOf(honest, large).subarray(0, 100_000), () => setTimeout(() => abort.abort(), 50));
      return true;
    };
    expect(await failure(pull({ signal: abort.signal }))).toMatchObject({ code: "cancelled" });
    bench.registry.intercept = () => false;
    expect((await pull()).root.names()).toEqual(["a", "b"]);
  });
});
