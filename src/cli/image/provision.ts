/**
 * A container image with an init and an ssh server of its own distribution: imported, booted once with the network, what
 * is missing installed in it, and its root disk saved as the image that was asked for. Nothing else stays.
 */
import { randomBytes } from "node:crypto";
import { Readable, Writable } from "node:stream";
import provisionScript from "../../../images/provision-guest.sh" with { type: "text" };
import { BangerError, toBangerError } from "../../base/base.ts";
import type { ImageInfo, LifecycleEvent, Params } from "../../rpc/contract.ts";
import { Quiet } from "../command.ts";
import type { Context, Daemon } from "../context.ts";
import { statusOf } from "../interrupts.ts";
import { errorLines } from "../output/errors.ts";
import { startProgress } from "../output/progress.ts";
import { runVm } from "../run/run-vm.ts";
import { pull } from "./pull-image.ts";

/** Its work disk holds keys alone, and is not saved. */
const workDiskBytes = 64 * 1024 ** 2;
const removeBudgetMs = 30_000;
const longestLine = 500;

/** An image's environment is made for its own program, which may look for its parts where it likes. */
const script = `PATH="\${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export PATH
${provisionScript}`;

/** Throws as image.pull; operation_failed when it cannot be provisioned, and then there is no image of that name. */
export async function provision(ctx: Context, request: Params<"image.pull">): Promise<ImageInfo> {
  const client = await ctx.client();
  const { ref, name: given } = request;
  const asked = { ref, ...(given === undefined ? {} : { name: given }) };
  const { name } = await client.call("image.name", asked, { signal: ctx.signal });
  // Nobody takes it for the one that was asked for; one that stays, because this process is killed, banger prune removes.
  const plain = `provisioning-${randomBytes(6).toString("hex")}`;
  try {
    await pull(ctx, { ...request, name: plain });
    return await provisionIn(ctx, plain, name);
  } finally {
    await removePlain(ctx, client, plain);
  }
}

async function provisionIn(ctx: Context, plain: string, name: string): Promise<ImageInfo> {
  const { stderr, lastLine } = remembering(ctx.stderr);
  let saved: ImageInfo | undefined;
  const outcome = await runVm(
    {
      ...ctx,
      stdin: Readable.from([]),
      stdout: stderr,
      stderr,
      tty: { ...ctx.tty, stdin: false, stdout: false },
    },
    {
      spec: {
        ...{ name: undefined, image: plain, vcpu: undefined, memory: undefined },
        ...{ diskSize: workDiskBytes, nat: true, cold: true },
      },
      workspace: undefined,
      argv: ["/bin/sh", "-c", script],
      user: "root",
      bare: true,
      afterwards: async (client, vm) => {
        const progress = startProgress(ctx);
        const options = { signal: ctx.signal, onEvent: (event: LifecycleEvent) => progress.event(event) };
        try {
          await client.call("vm.stop", { ref: vm.id }, options);
          saved = await client.call("image.save", { vm: vm.id, name, provisioned: true }, options);
          progress.end(`${name} ready`);
        } finally {
          progress.end();
        }
      },
      remove: true,
    },
  );
  if ("interrupted" in outcome) throw new Quiet(statusOf(outcome.interrupted));
  // The script's own end when the interrupt was handed on to it.
  if (outcome.status === statusOf("SIGINT") || outcome.status === statusOf("SIGTERM"))
    throw new Quiet(outcome.status);
  if (saved !== undefined) return saved;
  throw new BangerError(
    "operation_failed",
    `${name} could not be provisioned: ${lastLine() ?? `its shell ended with status ${outcome.status}`}`,
    {
      hint: "what was said is above. It needs the network, room (--size) and packages of its own distribution; without --provision it boots with banger's own init",
    },
  );
}

/** Writes on into `stderr`, and knows the last line. */
function remembering(to: Writable): { stderr: Writable; lastLine(): string | undefined } {
  let tail = "";
  const stderr = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      tail = (tail + chunk.toString()).slice(-2 * longestLine);
      if (to.write(chunk)) done();
      else to.once("drain", done);
    },
  });
  return {
    stderr,
    lastLine: () =>
      tail
        .trim()
        .split(/[\r\n]+/)
        .at(-1)
        ?.slice(-longestLine) || undefined,
  };
}

/** Whatever happened; interrupts do not shorten it, and its failure does not change the outcome. */
async function removePlain(ctx: Context, client: Daemon, plain: string): Promise<void> {
  const release = ctx.takeInterrupts(() => ctx.err(`removing image ${plain}, one moment`));
  try {
    await client.call("image.delete", { ref: plain }, { signal: AbortSignal.timeout(removeBudgetMs) });
  } catch (error) {
    const failure = toBangerError(error);
    if (failure.code === "not_found") return;
    const told = new BangerError(failure.code, `image ${plain} is not removed: ${failure.message}`, {
      hint: failure.hint ?? "it goes with: banger prune",
    });
    for (const line of errorLines(told, ctx)) ctx.err(line);
  } finally {
    release();
  }
}
