/** What calls that talk to a guest have in common: a VM that counts as used, a stream that a client brings or fetches. */
import type { Duplex } from "node:stream";
import { BangerError } from "../../base/base.ts";
import type { GuestSession } from "../../guest/guest.ts";
import type { CallContext, TransferEvent } from "../../rpc/rpc.ts";
import type { VmRecord } from "../../state/state.ts";
import type { Parts } from "../parts.ts";
import { goingBySsh } from "./going-by-ssh.ts";
import { stageObserver } from "./stages.ts";

export type Transfer = CallContext<TransferEvent>;

const resumed = () => ({ how: "resumed" }) as const;

/** For as long as `work` goes on the VM counts as used; one that sleeps because nobody used it goes on first. */
export async function using<T>(
  { vms }: Parts,
  ref: string,
  ctx: Transfer,
  work: (vm: VmRecord) => Promise<T>,
): Promise<T> {
  const vm = await vms.reach(ref, { signal: ctx.signal, observe: stageObserver(ctx.emit, resumed) });
  const over = vms.idleVms.begin(vm.id);
  try {
    return await work(vm);
  } finally {
    over();
  }
}

/** The way to a guest; what is odd about it is said. */
export async function sessionOf({ runtimes }: Parts, vm: VmRecord, ctx: Transfer): Promise<GuestSession> {
  const session = await runtimes.session(vm, ctx.signal);
  if (session.channel === "ssh") ctx.emit({ kind: "warning", message: goingBySsh });
  return session;
}

/** Offers a stream by ticket, for as long as `work` goes on; `coming` resolves when the client comes for it. */
export async function withStream<T>(
  ctx: Transfer,
  work: (coming: Promise<Duplex>) => Promise<T>,
): Promise<T> {
  const coming = Promise.withResolvers<Duplex>();
  const onAbort = () => coming.reject(new BangerError("cancelled", "cancelled"));
  ctx.signal.addEventListener("abort", onAbort, { once: true });
  ctx.emit({ kind: "tickets", stdio: ctx.ticket((socket) => coming.resolve(socket)) });
  try {
    return await work(coming.promise);
  } finally {
    ctx.signal.removeEventListener("abort", onAbort);
    // Nobody awaits it when the session was lost first.
    coming.promise.then((socket) => socket.destroy()).catch(() => {});
  }
}

/**
 * Copies to the end and half-closes: the other direction goes on. Resolves when all of it is out, so that whoever destroys the
 * stream then destroys nothing that a slow reader has not had yet; or when the stream is closed.
 */
export async function copyOut(from: NodeJS.ReadableStream, to: Duplex): Promise<void> {
  for await (const chunk of from) {
    if (to.destroyed) return;
    if (!to.write(chunk)) await heard(to, "drain");
  }
  if (to.destroyed) return;
  const out = heard(to, "finish");
  to.end();
  await out;
}

/** Or that it is closed. */
function heard(stream: Duplex, event: "drain" | "finish"): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off(event, done);
      stream.off("close", done);
      resolve();
    };
    stream.on(event, done);
    stream.on("close", done);
  });
}
