/** banger internal connect: the ProxyCommand of ssh, a guest's port on stdin and stdout. */
import { z } from "zod";
import { defineCommand } from "../command.ts";
import { connectGuest } from "../guest/connect.ts";
import { chunksOf, copyOut, feed, isReaderGone } from "../guest/streams.ts";

const port = z
  .string()
  .regex(/^[0-9]{1,5}$/, "must be a port")
  .transform(Number)
  .refine((given) => given >= 1 && given <= 65535, "must be a port from 1 to 65535");

export const command = defineCommand({
  summary: "connect stdin and stdout to a TCP port of a guest",
  examples: [{ command: "internal connect calm-otter.vm 22", note: "what vm ssh uses as ProxyCommand" }],
  args: {
    host: z.string().min(1, "is empty").max(132, "is too long").meta({ description: "<name>.vm, or an id" }),
    port: port.meta({ description: "port on the guest's loopback" }),
  },
  flags: {},
  run: async (input, ctx) => {
    const client = await ctx.client();
    const ref = input.host.replace(/\.vm$/, "");
    const stream = await connectGuest(ctx, client, ref, input.port);
    const stop = feed(ctx.stdin, stream);
    const leave = () => stream.destroy();
    ctx.signal.addEventListener("abort", leave, { once: true });
    try {
      await copyOut(chunksOf(stream), ctx.stdout);
    } catch (error) {
      if (!ctx.signal.aborted && !isReaderGone(error)) throw error;
    } finally {
      stop();
      stream.destroy();
    }
    return undefined;
  },
});
