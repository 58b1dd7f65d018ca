/** What streams of a session are used for: commands, trees, connections. */
import { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BangerError } from "../base/base.ts";
import type { StreamSession } from "./agent-session.ts";
import { type Channel, errnoText } from "./channel.ts";
import type { ExecRequest, GuestProcess } from "./guest.ts";
import { Operation, PayloadReader, PayloadWriter, windowBytes } from "./protocol.ts";

/** What is kept of what a transfer says on its standard error, in characters. */
const maxComplaint = 2000;

export function execProcess(
  session: StreamSession,
  request: ExecRequest,
  signal?: AbortSignal,
): GuestProcess {
  const { argv, env = {}, cwd = "/root", user, tty, after = "basic" } = request;
  // An older agent overlooks what it does not know, and would run the command as root.
  if (user !== undefined && !session.hello.runsAsUsers)
    throw new BangerError(
      "bad_version",
      `the command cannot run as the user ${user}: the VM's agent is of an older banger`,
      { hint: "restart the VM: banger vm restart; or run the command as root: --user root" },
    );
  const flags = (tty === undefined ? 0 : 1) | (after === "agent" ? 2 : 0) | (user === undefined ? 0 : 4);
  const environment = { ...(tty === undefined ? {} : { TERM: tty.term }), ...env };
  const payload = new PayloadWriter()
    .u8(Operation.exec)
    .u8(flags)
    .u16(tty?.columns ?? 0)
    .u16(tty?.rows ?? 0)
    .string(cwd)
    .list(argv)
    .list(Object.entries(environment).map(([name, value]) => `${name}=${value}`));
  const channel = session.open(user === undefined ? payload : payload.string(user));
  onAbort(session, channel, signal);
  const exit = channel.result.then(({ errno, payload }) => {
    if (errno !== 0)
      throw new BangerError(
        "guest_failed",
        `the command could not be started in the guest: ${errnoText(errno)}`,
      );
    return new PayloadReader(payload).u32() & 0xff;
  });
  // A caller that only wants the streams is told by them.
  exit.catch(() => {});
  return {
    stdin: channel.stdin,
    stdout: channel.outs[0],
    stderr: channel.outs[1],
    resize: (columns, rows) => session.resize(channel, columns, rows),
    signal: (number) => session.signal(channel, number),
    exit,
  };
}

export async function unpackTree(session: StreamSession, root: string, tar: Readable, signal?: AbortSignal) {
  const channel = session.open(new PayloadWriter().u8(Operation.unpack).string(root));
  onAbort(session, channel, signal);
  const said = text(channel.outs[0]);
  const complaint = text(channel.outs[1]);
  let broken: unknown;
  const fed = pipeline(tar, channel.stdin).catch((error: unknown) => {
    if (channel.over) return;
    // The source broke: without this the guest would wait for the rest for ever.
    broken = error;
    session.reset(channel);
  });
  try {
    await finished(channel, complaint, `unpacking into ${root}`);
  } catch (error) {
    // Nobody needs the rest of a source that the guest has given up on.
    tar.destroy();
    await fed;
    throw broken ?? error;
  }
  await fed;
  const [files, bytes] = (await said).split(" ").map(Number);
  return { files: files ?? 0, bytes: bytes ?? 0 };
}

export function packTree(session: StreamSession, path: string, signal?: AbortSignal): Readable {
  const channel = session.open(new PayloadWriter().u8(Operation.pack).string(path));
  onAbort(session, channel, signal);
  const complaint = text(channel.outs[1]);
  const out = channel.outs[0];
  const tree = new Readable({
    highWaterMark: windowBytes / 2,
    read: () => out.resume(),
    destroy: (error, done) => {
      session.reset(channel);
      done(error);
    },
  });
  out.on("data", (chunk: Buffer) => {
    if (!tree.push(chunk)) out.pause();
  });
  // The stream ends well only when the guest says that the tree was whole.
  const over = () =>
    finished(channel, complaint, `reading ${path}`).then(
      () => tree.push(null),
      (error: unknown) => tree.destroy(error instanceof Error ? error : new Error(String(error))),
    );
  out.on("end", over);
  out.on("error", over);
  tree.on("error", unheard);
  return tree;
}

export async function connectStream(
  session: StreamSession,
  target: { port: number } | { path: string },
  signal?: AbortSignal,
): Promise<Duplex> {
  const request = new PayloadWriter().u8(Operation.connect);
  const what = "port" in target ? `port ${target.port}` : target.path;
  const channel = session.open(
    "port" in target ? request.u8(1).u16(target.port) : request.u8(2).string(target.path),
  );
  onAbort(session, channel, signal);
  try {
    await channel.opened;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BangerError("unavailable", `${what} in the guest cannot be reached: ${why}`, { cause: error });
  }
  const [out] = channel.outs;
  const duplex = new Duplex({
    allowHalfOpen: true,
    read: () => out.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      channel.stdin.write(chunk, (error) => done(error));
    },
    final: (done) => {
      channel.stdin.end(() => done());
    },
    destroy: (error, done) => {
      // After an orderly end both ways the guest may still be handing on the last bytes.
      if (error !== null || !duplex.readableEnded || !duplex.writableFinished) session.reset(channel);
      done(error);
    },
  });
  out.on("data", (chunk: Buffer) => {
    if (!duplex.push(chunk)) out.pause();
  });
  out.on("end", () => {
    const { failed } = channel;
    if (failed === undefined) duplex.push(null);
    else
      duplex.destroy(
        new BangerError("guest_failed", `the connection to ${what} broke: ${errnoText(failed)}`),
      );
  });
  out.on("error", (error) => duplex.destroy(error));
  duplex.on("error", unheard);
  return duplex;
}

/** A session may end before the caller listens to its stream; whoever reads or writes it is told all the same. */
function unheard(): void {}

function onAbort(session: StreamSession, channel: Channel, signal?: AbortSignal): void {
  if (signal === undefined) return;
  const abort = () => session.reset(channel);
  signal.addEventListener("abort", abort, { once: true });
  const done = () => signal.removeEventListener("abort", abort);
  channel.result.then(done, done);
  if (signal.aborted) abort();
}

/** Throws with what the transfer complained of. Guests may say anything: control characters are taken out. */
async function finished(channel: Channel, said: Promise<string>, doing: string): Promise<void> {
  const { errno, payload } = await channel.result;
  const complaint = await said;
  const status = errno === 0 ? new PayloadReader(payload).u32() : 1;
  if (status === 0) return;
  const why =
    errno === 0 ? complaint.replaceAll(/[^\x20-\x7e\u00a0-\uffff]+/g, " ").trim() : errnoText(errno);
  throw new BangerError(
    /No space left/.test(why) ? "no_space" : "guest_failed",
    `${doing} failed in the guest: ${why || "no reason given"}`,
  );
}

async function text(stream: Readable): Promise<string> {
  let said = "";
  try {
    for await (const chunk of stream) if (said.length < maxComplaint) said += String(chunk);
  } catch {
    // The session ended: `result` says so.
  }
  return said.slice(0, maxComplaint);
}
