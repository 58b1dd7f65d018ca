/** guest.* and workspace.* methods: bytes between a client's streams and a guest's. */
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BangerError } from "../../base/base.ts";
import type { GuestProcess } from "../../guest/guest.ts";
import type { CallContext, Handlers, TransferEvent } from "../../rpc/rpc.ts";
import type { VmRecord } from "../../state/state.ts";
import type { Parts } from "../parts.ts";
import { goingBySsh } from "./going-by-ssh.ts";
import { stageObserver } from "./stages.ts";

type GuestMethods = "guest.exec" | "guest.resize" | "guest.signal" | "guest.connect" | "workspace.import";
type Transfer = CallContext<TransferEvent>;

export function guestHandlers(parts: Parts): Pick<Handlers, GuestMethods> {
  const { vms, runtimes, workspaces } = parts;
  const running = new Map<string, GuestProcess>();
  const processOf = (op: string): GuestProcess => {
    const found = running.get(op);
    if (found === undefined) throw new BangerError("not_found", `no command runs under operation ${op}`);
    return found;
  };
  /** For as long as it works the VM counts as used; one that sleeps because nobody used it goes on first. */
  const using = async <T>(ref: string, ctx: Transfer, work: (vm: VmRecord) => Promise<T>): Promise<T> => {
    const vm = await vms.reach(ref, { signal: ctx.signal, observe: stageObserver(ctx.emit, resumed) });
    const over = vms.idleVms.begin(vm.id);
    try {
      return await work(vm);
    } finally {
      over();
    }
  };
  const intoGuest = async (vm: VmRecord, guestPath: string, coming: Promise<Duplex>, ctx: Transfer) => {
    const [tar, session] = await Promise.all([coming, runtimes.session(vm, ctx.signal)]);
    if (session.channel === "ssh") ctx.emit({ kind: "warning", message: goingBySsh });
    return session.unpack(guestPath, tar, ctx.signal);
  };
  return {
    "guest.exec": (params, ctx) =>
      using(params.ref, ctx, async (vm) => {
        const session = await runtimes.session(vm, ctx.signal);
        if (session.channel === "ssh") ctx.emit({ kind: "warning", message: goingBySsh });
        const image = await parts.images.commandDefaults(vm.image.id);
        const cwd = params.cwd ?? vm.workspace?.guestPath ?? image.cwd;
        const child = await session.exec(
          {
            argv: params.argv,
            env: { ...image.env, ...params.env },
            ...(cwd === undefined ? {} : { cwd }),
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
      const vm = await vms.reach(ref, { signal: ctx.signal });
      const over = vms.idleVms.begin(vm.id);
      try {
        const session = await runtimes.session(vm, ctx.signal);
        const stream = await session.connect({ port }, ctx.signal);
        stream.once("close", over);
        let taken = false;
        // Whoever goes without having come for it has no use of the VM any more.
        void ctx.connectionClosed.then(() => taken || stream.destroy());
        return {
          ticket: ctx.ticket((socket) => {
            taken = true;
            joinStreams(stream, socket);
          }),
          ...(session.channel === "ssh" ? { warning: goingBySsh } : {}),
        };
      } catch (error) {
        over();
        throw error;
      }
    },
    "workspace.import": ({ ref, workspace }, ctx) =>
      using(ref, ctx, async (vm) => {
        const incoming = Promise.withResolvers<Duplex>();
        const onAbort = () => incoming.reject(new BangerError("cancelled", "cancelled"));
        ctx.signal.addEventListener("abort", onAbort, { once: true });
        ctx.emit({ kind: "tickets", stdio: ctx.ticket((socket) => incoming.resolve(socket)) });
        try {
          const { guestPath } = workspace;
          const result = workspaces.expects(vm.id)
            ? await workspaces.receive(vm, { guestPath, tar: await incoming.promise }, ctx.signal)
            : await intoGuest(vm, guestPath, incoming.promise, ctx);
          vms.setWorkspace(vm.id, workspace);
          return result;
        } finally {
          ctx.signal.removeEventListener("abort", onAbort);
          // Nobody awaits it when the session was lost first.
          incoming.promise.then((socket) => socket.destroy()).catch(() => {});
        }
      }),
  };
}

const sigkill = 9;
const resumed = () => ({ how: "resumed" }) as const;

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

/** Copies to the end and half-closes: the other direction goes on. */
async function copyOut(from: NodeJS.ReadableStream, to: Duplex): Promise<void> {
  for await (const chunk of from) {
    if (to.destroyed) return;
    if (!to.write(chunk)) await drained(to);
  }
  to.end();
}

function drained(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}

/** Both directions, each half-closed by itself; an error on either side ends both. */
function joinStreams(a: Duplex, b: Duplex): void {
  a.on("error", () => b.destroy());
  b.on("error", () => a.destroy());
  a.pipe(b);
  b.pipe(a);
}
