/** Files between host and guest, and what listens in a guest. What comes from a guest is passed on as it is: the CLI parses it. */
import { BangerError, toBangerError } from "../../base/base.ts";
import type { Handlers } from "../../rpc/rpc.ts";
import { pathKindOf } from "../../trees/trees.ts";
import type { Parts } from "../parts.ts";
import { copyOut, sessionOf, using, withStream } from "./using.ts";

type FileMethods = "guest.kind" | "guest.push" | "guest.pull" | "vm.ports";

export function fileHandlers(parts: Parts): Pick<Handlers, FileMethods> {
  return {
    "guest.kind": ({ ref, path }, ctx) =>
      using(parts, ref, ctx, async (vm) => {
        const session = await sessionOf(parts, vm, ctx);
        return { kind: await pathKindOf(await session.pack(`${path}/.`, ctx.signal)) };
      }),
    "guest.push": ({ ref, path }, ctx) =>
      using(parts, ref, ctx, (vm) =>
        withStream(ctx, async (coming) => {
          const [tar, session] = await Promise.all([coming, sessionOf(parts, vm, ctx)]);
          return session.unpack(path, tar, ctx.signal);
        }),
      ),
    "guest.pull": ({ ref, path }, ctx) =>
      using(parts, ref, ctx, (vm) =>
        withStream(ctx, async (coming) => {
          const [socket, session] = await Promise.all([coming, sessionOf(parts, vm, ctx)]);
          socket.resume();
          try {
            await copyOut(await session.pack(path, ctx.signal), socket);
          } catch (error) {
            throw inWords(error, path, vm.name);
          }
          return {};
        }),
      ),
    "vm.ports": async ({ ref }, { signal }) => {
      const vm = await parts.vms.reach(ref, { signal });
      const session = await parts.runtimes.session(vm, signal);
      return session.ports(signal);
    },
  };
}

function inWords(error: unknown, path: string, vm: string): BangerError {
  const failure = toBangerError(error);
  const why = /(No such file or directory|Not a directory)/.exec(failure.message)?.[1];
  if (failure.code !== "guest_failed" || why === undefined) return failure;
  const missing = path.replace(/\/\.$/, "");
  return why === "Not a directory"
    ? new BangerError("bad_request", `${missing} in VM ${vm} is no directory`, { cause: error })
    : new BangerError("not_found", `there is no ${missing} in VM ${vm}`, { cause: error });
}
