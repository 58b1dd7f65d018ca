/** What a template's guest goes through before it is saved: so that a clone finds done, and in its memory, what it does first. */
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { BangerError } from "../../base/base.ts";
import type { ExecRequest, GuestSession, Personality } from "../../guest/guest.ts";

/** Counted up when what follows changes: templates that were made another way are then not used any more. */
export const templateRecipe = "2";

/**
 * For what the guest's kernel has put off until it has time, such as taking down the control groups of services that have
 * ended: each clone would go on with that beside its first work. In ms.
 */
const usualIdleMs = 5_000;

/** Waits until nothing is left to do. */
const booted = `command -v systemctl >/dev/null || exit 0
systemctl is-system-running --wait >/dev/null
exit 0`;

/**
 * Takes the template's identity out of what runs. sshd has the host key in its memory: systemd listens in its place, and
 * starts it for the first connection. journald would go on under the template's machine id and boot id: its sockets stay,
 * and the first message starts it. A seed on the disk would be every clone's. logind listens to all that systemd says of its
 * units, and the first thing that happens in a clone, its clock's step, makes it say much: the bus starts logind anew for
 * whoever needs it.
 */
const nameless = `rm -f /var/lib/systemd/random-seed
if command -v systemctl >/dev/null; then
  if systemctl cat ssh.socket >/dev/null 2>&1; then
    systemctl stop ssh.service
    systemctl start ssh.socket || systemctl start ssh.service
  fi
  systemctl stop systemd-logind.service systemd-journald.service 2>/dev/null
  rm -rf /run/log/journal/* /var/log/journal/*
fi
sync`;

/**
 * The same for a clone that was told it is nobody: what came up by that is not to go on as nobody. Mostly nothing did, and then
 * nothing is started for it.
 */
const namelessAgain = `for comm in /proc/[0-9]*/comm; do
  read -r name 2>/dev/null <"$comm" || continue
  case $name in systemd-journal | systemd-logind)
    systemctl stop systemd-logind.service systemd-journald.service 2>/dev/null
    rm -rf /run/log/journal/* /var/log/journal/*
    break ;;
  esac
done
exit 0`;

/**
 * What a VM's start and its first command need is done already: memory that is read for the first time since it was saved is
 * mapped page by page, and code that is emulated is translated then. Told who it is, a guest that had not gone through that
 * took 3.1 s under Firecracker in an emulated host. The identity is nobody's, its key is thrown away, and the clock stays: what
 * is due at its step is the VM's own.
 */
export async function rehearseStart(
  session: GuestSession,
  nobody: Personality,
  signal: AbortSignal,
): Promise<void> {
  await session.personalise({ ...nobody, clock: "keep" }, signal);
  await run(session, { argv: ["sh", "-c", namelessAgain] }, signal, true);
  await run(session, { argv: ["sh", "-c", "true"] }, signal, true);
}

export async function settle(
  session: GuestSession,
  person: () => Promise<Personality>,
  signal: AbortSignal,
  idleMs = usualIdleMs,
): Promise<void> {
  await session.personalise(await person(), signal);
  await session.ready(signal);
  await run(session, { argv: ["sh", "-c", booted] }, signal);
  await rehearse(session, signal);
  // Once more, now that it runs: as in a clone.
  await session.personalise(await person(), signal);
  await run(session, { argv: ["sh", "-c", nameless] }, signal);
  await run(session, { argv: ["true"] }, signal);
  await setTimeout(idleMs, undefined, { signal });
}

/** What commands need first is then in the page cache, and linked. */
async function rehearse(session: GuestSession, signal: AbortSignal): Promise<void> {
  await run(session, { argv: ["sh", "-c", "true"] }, signal);
  const tty = { columns: 80, rows: 24, term: "xterm" };
  await run(session, { argv: ["/bin/bash", "-l", "-c", "ls /root >/dev/null; true"], tty }, signal, true);
  await session.stats(signal);
  await session.ports(signal);
  const packed = await buffer(await session.pack("/etc/hostname", signal));
  await session.unpack("/run/banger/rehearsal", Readable.from([packed]), signal);
  await run(session, { argv: ["rm", "-rf", "/run/banger/rehearsal"] }, signal);
  await remount(session, signal);
  await greet(session, signal);
}

/** As when a workspace comes. */
async function remount(session: GuestSession, signal: AbortSignal): Promise<void> {
  try {
    await session.releaseWorkDisk(signal);
  } catch {
    // Something of the image uses it for good: its VMs boot when they have a workspace.
    return;
  }
  await session.takeWorkDisk(signal);
}

/** The first words of its sshd, where it has one. */
async function greet(session: GuestSession, signal: AbortSignal): Promise<void> {
  try {
    const stream = await session.connect({ port: 22 }, signal);
    stream.on("error", () => {});
    await Promise.race([new Promise((resolve) => stream.once("data", resolve)), Bun.sleep(10_000)]);
    stream.destroy();
  } catch {
    // An image without sshd is none the worse.
  }
}

async function run(
  session: GuestSession,
  request: ExecRequest,
  signal: AbortSignal,
  mayFail = false,
): Promise<void> {
  const child = await session.exec({ cwd: "/", ...request }, signal);
  child.stdin.end();
  const [, said, status] = await Promise.all([buffer(child.stdout), buffer(child.stderr), child.exit]);
  if (status === 0 || mayFail) return;
  const what = `${request.argv.join(" ")} ended with ${status}: ${said.toString().trim()}`;
  throw new BangerError("guest_failed", `the template's guest: ${what}`);
}
