/** The daemon of `--verbose`: each call is told, with the op id by which the daemon's log knows it, and its time. */
import { formatDuration, toBangerError } from "../../base/base.ts";
import type { CallOptions, Context, Daemon } from "../context.ts";

export function talkingDaemon(daemon: Daemon, ctx: Pick<Context, "err" | "style" | "now">): Daemon {
  const say = (line: string) => ctx.err(ctx.style.dim(line));
  return {
    closed: daemon.closed,
    close: () => daemon.close(),
    stream: (ticket) => daemon.stream(ticket),
    call: async (method, params, options: CallOptions<typeof method> = {}) => {
      const op = options.op ?? crypto.randomUUID().slice(0, 8);
      const began = ctx.now();
      say(`${method} (${op})`);
      const end = (how: string) =>
        say(`${method} (${op}): ${how} after ${formatDuration(ctx.now() - began)}`);
      try {
        const result = await daemon.call(method, params, { ...options, op });
        end("done");
        return result;
      } catch (error) {
        end(toBangerError(error).code);
        throw error;
      }
    },
  };
}
