/** A stream to a port of a guest, which may have booted a moment ago and not listen yet. */
import type { Duplex } from "node:stream";
import { BangerError } from "../../base/base.ts";
import type { Context, Daemon } from "../context.ts";
import { escapeText } from "../output/escape.ts";

/** A VM is up when it can run commands, which is before its services are: this long they may take. In ms. */
const servicesUpMs = 30_000;
const againMs = 200;

/** Waits for a service that refuses only as long as the guest is young. Nothing tells of a port that opens: it asks. */
export async function connectGuest(ctx: Context, client: Daemon, ref: string, port: number): Promise<Duplex> {
  let youngUntil: number | undefined;
  for (;;) {
    try {
      const call = client.call("guest.connect", { ref, port }, { signal: ctx.signal });
      const { ticket, warning } = await call;
      if (warning !== undefined) ctx.err(`${ctx.style.bold("warning:")} ${escapeText(warning)}`);
      return await client.stream(ticket);
    } catch (error) {
      if (!(error instanceof BangerError) || !/refused/.test(error.message)) throw error;
      youngUntil ??= await youthEnd(ctx, client, ref);
      if (ctx.now() >= youngUntil) throw error;
      await pause(ctx, againMs);
    }
  }
}

/** When the guest counts as settled, on the context's clock. */
async function youthEnd(ctx: Context, client: Daemon, ref: string): Promise<number> {
  const { startedAt } = await client.call("vm.show", { ref }, { signal: ctx.signal });
  const ageMs = startedAt === null ? servicesUpMs : ctx.today().getTime() - Date.parse(startedAt);
  return ctx.now() + servicesUpMs - Math.max(0, ageMs);
}

function pause(ctx: Context, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      stop();
      ctx.signal.removeEventListener("abort", abort);
    };
    const abort = () => {
      end();
      reject(new BangerError("cancelled", "cancelled"));
    };
    const stop = ctx.every(ms, () => {
      end();
      resolve();
    });
    ctx.signal.addEventListener("abort", abort, { once: true });
  });
}
