import { expect, test } from "bun:test";
import type { Duplex } from "node:stream";
import { Readable, Writable } from "node:stream";
import { copyOut } from "./using.ts";

/** Takes its time over each chunk. */
function slow(taken: string[]): Duplex {
  return new Writable({
    write: (chunk, _encoding, done) => {
      setTimeout(() => {
        taken.push(String(chunk));
        done();
      }, 20);
    },
  }) as Duplex;
}

test("what is copied is out when that is said, also when the reader is slow and the stream destroyed then", async () => {
  const taken: string[] = [];
  const to = slow(taken);
  await copyOut(Readable.from(["a", "b", "c"].map((text) => Buffer.from(text))), to);
  to.destroy();
  expect(taken).toEqual(["a", "b", "c"]);
});

test("a reader that goes away in the middle, or at the end, ends the copy", async () => {
  for (const afterMs of [5, 45]) {
    const to = slow([]);
    setTimeout(() => to.destroy(), afterMs);
    await copyOut(Readable.from(["a", "b", "c"].map((text) => Buffer.from(text))), to);
  }
});
