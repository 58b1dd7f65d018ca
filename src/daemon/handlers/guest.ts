/** guest.* and workspace.* methods: bytes between a client's streams and a guest's. */
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BangerError } from "../../base/base.ts";
import type { GuestProcess } from "../../guest/guest.ts";
import type { Handlers } from "../../rpc/rpc.ts";
import type { VmRecord } from "../../state/state.ts";
import { connectGuestPort, joinStreams } from "../guest-port.ts";
import type { Parts } from "../parts.ts";
import { placeOf } from "../shelf/command-defaults.ts";
import { goingBySsh } from "./going-by-ssh.ts";
import { stillStarting } from "./stages.ts";
import { copyOut, sessionOf, type Transfer, using, withStream } from "./using.ts";
import { inWorkspace, MiseFinder } from "./workspace-command.ts";

type GuestMethods = "guest.exec" | "guest.resize" | "guest.signal" | "guest.connect" | "workspace.import";

export function guestHandlers(parts: Parts): Pick<Handlers, GuestMethods> {
  const { vms, workspaces } = parts;
  const running = new Map<string, GuestProcess>();
  const mise = new MiseFinder();
  const processOf = (op: string): GuestProcess => {
    const found = running.get(op);
    if (found === undefined) throw new BangerError("not_found", `no command runs under operation ${op}`);
    return found;
  };
  const intoGuest = async (vm: VmRecord, guestPath: string, coming: Promise<Duplex>, ctx: Transfer) => {
    const [tar, session] = await Promise.all([coming, sessionOf(parts, vm, ctx)]);
    return session.unpack(guestPath, tar, ctx.signal);
  };
  return {
    "guest.exec": (params, ctx) =>
      using(parts, params.ref, ctx, async (found) => {
        const coming = found.state === "starting";
        if (coming) ctx.emit({ kind: "stage", stage: stillStarting, status: "begin" });
        const session = await sessionOf(parts, found, ctx);
        // The start that was waited for may have brought a workspace, which is where the command belongs.
        const vm = coming ? vms.find(found.id) : found;
        const image = await parts.images.commandDefaults(vm.image.id);
        const { user, cwd } = placeOf(params, vm, image);
        const asked = { argv: params.argv, env: { ...params.env } };
        const command = await inWorkspace(asked, vm.workspace, {
          ...{ cwd, tools: params.tools !== false },
          hasMise: (env) => mise.in(vm.id, session, { ...image.env, ...env }, ctx.signal),
        });
        const child = await session.exec(
          {
            argv: command.argv,
            env: { ...image.env, ...command.env },
            ...(cwd === undefined ? {} : { cwd }),
            ...(user === undefined ? {} : { user }),
            ...(params.tty === undefined ? {} : { tty: params.tty }),
          },
          ctx.signal,
        );
        running.set(ctx.opId, child);
        const onAbort = () => child.signal(sigkill);
        ctx.signal.addEventListener("abort", onAbort, { once: true });
        try {
          const streams = connectStreams(child, params.tty !== undefined, ctx);
          const status = await child.exit;
          await streams;
          return { status };
        } finally {
          ctx.signal.removeEventListener("abort", onAbort);
          running.delete(ctx.opId);
        }
      }),
    "guest.resize": async ({ op, columns, rows }) => {
      processOf(op).resize(columns, rows);
      return {};
    },
    "guest.signal": async ({ op, signal }) => {
      processOf(op).signal(signal);
      return {};
    },
    "guest.connect": async ({ ref, port }, ctx) => {
      const { stream, channel } = await connectGuestPort(parts, ref, port, ctx.signal);
      let taken = false;
      // Whoever goes without having come for it has no use of the VM any more.
      void ctx.connectionClosed.then(() => taken || stream.destroy());
      return {
        ticket: ctx.ticket((socket) => {
          taken = true;
          joinStreams(stream, socket);
        }),
        ...(channel === "ssh" ? { warning: goingBySsh } : {}),
      };
    },
    "workspace.import": ({ ref, workspace }, ctx) =>
      using(parts, ref, ctx, (vm) =>
        withStream(ctx, async (coming) => {
          const { guestPath } = workspace;
          const result = workspaces.expects(vm.id)
            ? await workspaces.receive(vm, { guestPath, tar: await coming }, ctx.signal)
            : await intoGuest(vm, guestPath, coming, ctx);
          vms.setWorkspace(vm.id, workspace);
          return result;
        }),
      ),
  };
}

const sigkill = 9;

/** Offers the command's streams by ticket; resolves when everything the command wrote has been handed over. */
async function connectStreams(child: GuestProcess, tty: boolean, ctx: Transfer): Promise<void> {
  const out = Promise.withResolvers<void>();
  const err = Promise.withResolvers<void>();
  const stdio = ctx.ticket((socket) => {
    // A command that ends without reading its input is no failure; its output decides.
    pipeline(socket, child.stdin).catch(() => {});
    copyOut(child.stdout, socket).then(out.resolve, out.resolve);
  });
  if (tty) {
    err.resolve();
    child.stderr.resume();
    ctx.emit({ kind: "tickets", stdio });
  } else {
    const stderr = ctx.ticket((socket) => {
      socket.resume();
      copyOut(child.stderr, socket).then(err.resolve, err.resolve);
    });
    ctx.emit({ kind: "tickets", stdio, stderr });
  }
  // A client that never comes for its streams has gone: the call's own signal ends this.
  ctx.signal.addEventListener("abort", () => {
    out.resolve();
    err.resolve();
  });
  await Promise.all([out.promise, err.promise]);
}
