import { expect, test } from "bun:test";
import { Duplex } from "node:stream";
import { BangerError } from "../../base/base.ts";
import type { Daemon } from "../context.ts";
import { guestOutput } from "./output.ts";

/** A daemon whose streams break when the call is cancelled, some time before the call says that it was. */
function breaking(): Daemon {
  const streams: Duplex[] = [];
  return {
    closed: new Promise<void>(() => {}),
    close: () => {},
    stream: async () => {
      const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
      stream.on("error", () => {});
      streams.push(stream);
      return stream;
    },
    call: (async (_method: string, _params: unknown, options: CallOptions) => {
      options.onEvent?.({ kind: "tickets", stdio: "a", stderr: "b" });
      const cancelled = new BangerError("cancelled", "cancelled");
      return new Promise((_resolve, reject) => {
        options.signal?.addEventListener("abort", () => {
          const broken = Object.assign(new Error("EPIPE: broken pipe, write"), { code: "EPIPE" });
          for (const stream of streams) stream.destroy(broken);
          setTimeout(() => reject(cancelled), 20);
        });
      });
    }) as Daemon["call"],
  };
}

interface CallOptions {
  signal?: AbortSignal;
  onEvent?: (event: { kind: "tickets"; stdio: string; stderr: string }) => void;
}

test("an interrupted script is that, and not the stream that broke on the way", async () => {
  const interrupt = new AbortController();
  const script = { ref: "vm1", script: "true", args: [], maxBytes: 100 };
  const reading = Promise.withResolvers<void>();
  const done = guestOutput(breaking(), script, interrupt.signal, async (output) => {
    reading.resolve();
    for await (const _ of output);
  });
  await reading.promise;
  interrupt.abort();
  expect(done).rejects.toMatchObject({ code: "cancelled" });
});
