/**
 * The emulated host, for scenarios: a Debian 12 with systemd, /dev/kvm, device-mapper, a real Firecracker and jailer in
 * /usr/local/bin, and users root and dev (uid 1000, sudo without a password, in the group kvm).
 *
 *   const machine = await host();                       the one that is up (npm run host -- up; npm run test:system)
 *   await machine.run("sudo ./banger system install --owner dev");        as dev, in /home/dev, where banger is
 *   await machine.ok("dmsetup ls", { user: "root" });   the same, but a status other than 0 fails the test; its stdout
 *   await machine.copyIn("./file", "/srv/file", { user: "root", mode: 0o644 });
 *   await machine.copyOut("/var/log/x", "./x");
 *   await machine.script(join(import.meta.dir, "host/by-hand.ts"), ["..."]);   TypeScript for Bun, with its imports, run in the host
 *   await machine.giveStore();                          banger's images (debian-bookworm, tiny) and kernel to /var/lib/banger;
 *                                                       VMs boot, and no templates are made, unless { warm: true }
 *   await machine.reset();                              as it was when it came up: a new disk, and the machine that was saved with it
 *   await machine.reboot();                             an orderly one
 *   await machine.powerCut();                           QEMU killed, then booted from what was on the disk
 *
 * Commands are lines for bash. Many may run at once; each is a process tree of its own in the host, ended after `timeoutMs`
 * (default a minute; status 124). Everything is about ten times slower than on a real machine: compare, do not assume.
 */
import { closeSync, openSync } from "node:fs";
import { powerCut, reboot, reset } from "./host/life.ts";
import { type HostRecord, hostRecord, markUsed } from "./host/machine.ts";
import { storeInHost } from "./host/settled.ts";
import { type HostResult, type HostUser, quote, runSsh, startSsh } from "./host/ssh.ts";

export { type HostResult, type HostUser, quote } from "./host/ssh.ts";

export interface HostRunOptions {
  /** Default dev. */
  user?: HostUser;
  input?: string | Uint8Array;
  /** Default a minute. */
  timeoutMs?: number;
}

export interface Host {
  run(command: string, options?: HostRunOptions): Promise<HostResult>;
  ok(command: string, options?: HostRunOptions): Promise<string>;
  copyIn(from: string, to: string, options?: { user?: HostUser; mode?: number }): Promise<void>;
  copyOut(from: string, to: string, options?: { user?: HostUser }): Promise<void>;
  /** `user` is root by default. The program is bundled here, so that it may import what it likes. */
  script(path: string, args: readonly string[], options?: HostRunOptions): Promise<string>;
  giveStore(options?: { warm?: boolean }): Promise<void>;
  reset(): Promise<void>;
  reboot(): Promise<void>;
  powerCut(): Promise<void>;
}

const say = (line: string) => process.stderr.write(`    ${line}\n`);

/**
 * The host that is up, as it was when it came up: not what other scenarios have left, which stays until then, so that it can
 * be looked at when one has failed. Throws when none is up.
 */
export async function host(): Promise<Host> {
  const found = await hostRecord();
  if (found === undefined) throw new Error("the emulated host is not up; start it: npm run host -- up");
  let record = found;
  const use = async (fresh: HostRecord) => {
    await markUsed(fresh);
    record = fresh;
  };
  await use(found.used ? await reset(found, say) : found);

  const run = (command: string, { user = "dev", input, timeoutMs = 60_000 }: HostRunOptions = {}) =>
    runSsh(record, command, { user, input, timeoutMs });
  const ok = async (command: string, options?: HostRunOptions) => {
    const { status, stdout, stderr } = await run(command, options);
    if (status !== 0) throw new Error(`${command}\nended with ${status}: ${stderr.trim() || stdout.trim()}`);
    return stdout;
  };
  /** A file through ssh's own descriptors: none of it comes into memory here. */
  const transfer = async (
    command: string,
    user: HostUser,
    descriptors: [number | "ignore", number | "ignore"],
  ) => {
    const child = startSsh(record, user, command, [...descriptors, "inherit"]);
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    if (status !== 0) throw new Error(`${command} in the emulated host ended with ${status}`);
  };

  return {
    run,
    ok,
    copyIn: async (from, to, { user = "dev", mode = 0o644 } = {}) => {
      const file = openSync(from, "r");
      const command = `cat > ${quote(to)} && chmod ${mode.toString(8)} ${quote(to)}`;
      await transfer(command, user, [file, "ignore"]).finally(() => closeSync(file));
    },
    copyOut: async (from, to, { user = "dev" } = {}) => {
      const file = openSync(to, "w");
      await transfer(`cat ${quote(from)}`, user, ["ignore", file]).finally(() => closeSync(file));
    },
    script: async (path, args, options) => {
      const bundled = await Bun.build({ entrypoints: [path], target: "bun" });
      const text = await bundled.outputs[0]?.text();
      if (text === undefined) throw new Error(`${path} could not be bundled`);
      // banger is a compiled Bun; asked so, it is nothing else. Standard input is the program.
      const words = ["/home/dev/banger", "run", "-", ...args].map(quote).join(" ");
      return ok(`BUN_BE_BUN=1 ${words}`, { user: "root", ...options, input: text });
    },
    giveStore: async ({ warm = false } = {}) => {
      // What is made in the background would be among the traces that scenarios look for.
      if (!warm)
        await ok(
          `mkdir -p ~/.config/banger && printf '[warm]\\nmode = "off"\\n' >> ~/.config/banger/config.toml`,
        );
      await ok(giveStoreScript, { user: "root" });
    },
    reset: async () => use(await reset(record, say)),
    reboot: async () => use(await reboot(record, say)),
    powerCut: async () => use(await powerCut(record, say)),
  };
}

/** A rename within one file system: nothing is copied. A daemon that runs reads its store again. */
const giveStoreScript = `
set -e
install -d -o dev -g dev -m 0700 /var/lib/banger/images /var/lib/banger/kernels
chown dev:dev /var/lib/banger
for kind in images kernels; do
  find ${storeInHost}/$kind -mindepth 1 -maxdepth 1 -exec mv -n -t /var/lib/banger/$kind {} +
done
systemctl try-restart bangerd.service 2>/dev/null || true`;
