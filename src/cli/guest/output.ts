/**
 * A command of banger's own in a guest, whose output banger reads: exact, bounded, and never shown as it is. What it says on
 * its standard error becomes the error, escaped like everything that a guest says.
 */
import { Readable } from "node:stream";
import { BangerError } from "../../base/base.ts";
import type { Daemon } from "../context.ts";
import { escapeLine } from "../output/escape.ts";
import { chunksOf, copyOut } from "./streams.ts";

export interface GuestScript {
  ref: string;
  /** For sh; `$1` and so on are `args`. */
  script: string;
  args: readonly string[];
  input?: AsyncIterable<Uint8Array> | undefined;
  /** More output than this is an error. */
  maxBytes: number;
}

/** What scripts end with when what they were asked for cannot be, and their last line says why. */
export const refusedStatus = 65;
const mostComplaint = 4096;

/**
 * Runs a script and gives its output to `read`, which must read to the end. Resolves with what `read` makes of it when the
 * script has ended with 0.
 */
export async function guestOutput<T>(
  client: Daemon,
  { ref, script, args, input, maxBytes }: GuestScript,
  signal: AbortSignal,
  read: (output: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const reading = Promise.withResolvers<T>();
  reading.promise.catch(() => {});
  let complaint = Promise.resolve("");
  const open: Readable[] = [];
  const attach = async (tickets: { stdio: string; stderr?: string | undefined }) => {
    const [stdio, stderr] = await Promise.all([
      client.stream(tickets.stdio),
      tickets.stderr === undefined ? Readable.from([]) : client.stream(tickets.stderr),
    ]);
    open.push(stdio, stderr);
    complaint = lastWords(stderr);
    // A script that ends without reading its input has its reasons, which its status says.
    copyOut(input ?? Readable.from([]), () => stdio)
      .catch(() => {})
      .finally(() => stdio.end());
    read(bounded(chunksOf(stdio), maxBytes)).then(reading.resolve, (error) => {
      reading.reject(error);
      over.abort();
    });
  };
  let attaching = Promise.resolve();
  const call = client.call(
    "guest.exec",
    { ref, argv: ["/bin/sh", "-c", script, "banger", ...args], cwd: "/" },
    {
      signal: AbortSignal.any([signal, over.signal]),
      onEvent: (event) => {
        if (event.kind !== "tickets") return;
        attaching = attach(event);
        attaching.catch(reading.reject);
      },
    },
  );
  try {
    const { status } = await call;
    await attaching;
    if (status === 0) return await reading.promise;
    const said = await complaint;
    if (status === refusedStatus) throw new BangerError("precondition", said || "the guest refused");
    throw new BangerError(
      "guest_failed",
      `the guest could not do it (status ${status})${said && `: ${said}`}`,
    );
  } catch (error) {
    // Interrupted, the streams may break before the call says so.
    if (signal.aborted) throw new BangerError("cancelled", "cancelled", { cause: error });
    // Why reading was given up says more than that the call was cancelled for it.
    if (over.signal.aborted) await reading.promise;
    throw error;
  } finally {
    for (const stream of open) stream.destroy();
  }
}

async function* bounded(chunks: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > most) throw new BangerError("guest_failed", `the guest sent more than ${most} bytes`);
    yield chunk;
  }
}

async function lastWords(stream: Readable): Promise<string> {
  let said = "";
  try {
    for await (const chunk of chunksOf(stream))
      said = (said + Buffer.from(chunk).toString("utf8")).slice(-mostComplaint);
  } catch {
    // The connection ended with the call, which says so itself.
  }
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  return escapeLine(lines.at(-1) ?? "").slice(0, 500);
}
