import { expect, test } from "bun:test";
import { buildImage } from "./testing/image-builder.ts";
import { registryBench } from "./testing/registry-bench.ts";
import { tar } from "./testing/tar-writer.ts";

const names = ["a", "b", "c", "d", "e"];
const image = buildImage(names.map((path) => tar([{ path }])));
const bench = registryBench(image);

test("three layers are fetched at a time, and the next when one of them has come", async () => {
  const layers = new Set(image.layers.map(({ digest }) => digest));
  const waiting: (() => void)[] = [];
  let asked = Promise.withResolvers<void>();
  bench.registry.intercept = (request, response) => {
    const digest = request.url?.split("/").at(-1) ?? "";
    if (!layers.has(digest)) return false;
    const blob = image.blobs.get(digest) ?? Buffer.alloc(0);
    waiting.push(() => response.writeHead(200, { "content-length": blob.length }).end(blob));
    asked.resolve();
    return true;
  };
  const pulling = bench.pull();
  const untilAsked = async (times: number) => {
    while (waiting.length < times) {
      await asked.promise;
      asked = Promise.withResolvers();
    }
    // Time for one more than there may be.
    await Bun.sleep(50);
    return waiting.length;
  };
  expect(await untilAsked(3)).toBe(3);
  waiting[0]?.();
  expect(await untilAsked(4)).toBe(4);
  waiting[1]?.();
  expect(await untilAsked(5)).toBe(5);
  for (const answer of waiting.slice(2)) answer();
  expect((await pulling).root.names()).toEqual(names);
});
