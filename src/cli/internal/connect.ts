/** banger internal connect: the ProxyCommand of ssh, a guest's port on stdin and stdout. */
import { BangerError, toBangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { connectGuest } from "../guest/connect.ts";
import { chunksOf, copyOut, feed, isReaderGone } from "../guest/streams.ts";
import { required, Unfit } from "../option.ts";

function readHost(given: string): string {
  if (given.length > 132) throw new Unfit("is too long");
  return given;
}

function readPort(given: string): number {
  const port = /^[0-9]{1,5}$/.test(given) ? Number(given) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw new Unfit("must be a port from 1 to 65535");
}

const sshPort = 22;

/** Images that were made for containers have no ssh server, and commands need none. */
function withoutSsh(error: unknown, ref: string): BangerError {
  const known = toBangerError(error);
  if (!/refused/.test(known.message)) return known;
  return new BangerError(known.code, `no ssh server answers in ${ref}: ${known.message}`, {
    hint: `without one: banger vm exec ${ref} -- COMMAND; with one: banger image pull --provision`,
    cause: error,
  });
}

export const command = defineCommand({
  summary: "connect stdin and stdout to a TCP port of a guest",
  examples: [{ command: "internal connect calm-otter.vm 22", note: "what vm ssh uses as ProxyCommand" }],
  args: {
    host: required({ description: "<name>.vm, or an id" }, readHost),
    port: required({ description: "port on the guest's loopback" }, readPort),
  },
  flags: {},
  run: async (input, ctx) => {
    const client = await ctx.client();
    const ref = input.host.replace(/\.vm$/, "");
    const stream = await connectGuest(ctx, client, ref, input.port).catch((error: unknown) => {
      throw input.port === sshPort ? withoutSsh(error, ref) : error;
    });
    const stop = feed(ctx.stdin, stream);
    const leave = () => stream.destroy();
    ctx.signal.addEventListener("abort", leave, { once: true });
    try {
      await copyOut(chunksOf(stream), () => ctx.stdout);
    } catch (error) {
      if (!ctx.signal.aborted && !isReaderGone(error)) throw error;
    } finally {
      stop();
      stream.destroy();
    }
    return undefined;
  },
});
