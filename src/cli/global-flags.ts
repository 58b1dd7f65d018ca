/** The flags that every command has, and what they make of its context: how much is said beside the results. */
import { BangerError } from "../base/base.ts";
import type { Context } from "./context.ts";
import { toggle } from "./flags.ts";

/** A command that has a flag of the same name gives it more to mean, and nothing else. */
export const globalFlags = {
  quiet: toggle("print results and errors only: no progress, no notices", "q"),
  verbose: toggle("say which calls are made, their op ids, and how long each stage took", "v"),
};

/** Throws bad_request for both at once. */
export function withVerbosity(ctx: Context, { quiet, verbose }: Record<string, unknown>): Context {
  if (quiet === true && verbose === true)
    throw new BangerError("bad_request", "--quiet and --verbose contradict each other");
  if (quiet !== true && verbose !== true) return ctx;
  // Streams are opened by whoever asks for them first: they are not looked at here.
  const told = Object.defineProperties({}, Object.getOwnPropertyDescriptors(ctx)) as Context;
  if (quiet === true) return Object.assign(told, { verbosity: "quiet", note: () => {} } as const);
  return Object.assign(told, {
    verbosity: "verbose",
    client: async () => {
      const { talkingDaemon } = await import("./output/talking-daemon.ts");
      return talkingDaemon(await ctx.client(), ctx);
    },
  } as const);
}
