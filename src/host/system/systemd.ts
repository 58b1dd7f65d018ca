/** systemd as the installation needs it: a few verbs of systemctl(1). */
import { BangerError } from "../../base/base.ts";
import { run, runChecked } from "../../sys/sys.ts";

export interface UnitState {
  /** As systemd says it: active, inactive, failed, activating ... */
  active: string;
  sub: string;
  /** Started at boot. */
  enabled: boolean;
  /** How often systemd has started it again by itself since somebody last did. */
  restarts: number;
}

export interface Systemd {
  /** Reads unit files again. */
  reload(): Promise<void>;
  enable(units: readonly string[]): Promise<void>;
  disable(units: readonly string[]): Promise<void>;
  /** Starts units, or stops and starts them. Throws operation_failed when one cannot be executed. */
  restart(units: readonly string[]): Promise<void>;
  /** Units that are not there, or do not run, are fine. */
  stop(units: readonly string[]): Promise<void>;
  /** Forgets that units have failed. */
  forget(units: readonly string[]): Promise<void>;
  state(unit: string): Promise<UnitState>;
  /** What a unit said last, in a line; empty when that is not known. */
  lastWords(unit: string): Promise<string>;
  /** True where the processor is emulated, and everything takes many times as long. */
  emulated(): Promise<boolean>;
}

export const hostSystemd: Systemd = {
  reload: () => systemctl("daemon-reload"),
  enable: (units) => systemctl("enable", "--quiet", ...units),
  disable: (units) => systemctl("disable", "--quiet", ...units),
  restart: (units) => systemctl("restart", ...units),
  stop: async (units) => {
    for (const unit of units) {
      const { active } = await hostSystemd.state(unit);
      if (active !== "inactive") await systemctl("stop", unit);
    }
  },
  forget: async (units) => {
    // A unit that has never failed is none to forget, and its status says so.
    await run("systemctl", ["reset-failed", ...units]);
  },
  state: async (unit) => {
    const { stdout } = await runChecked("systemctl", [
      "show",
      "--property=ActiveState,SubState,UnitFileState,NRestarts",
      unit,
    ]);
    const found = new Map(
      stdout
        .toString("utf8")
        .split("\n")
        .map((line) => [line.split("=", 1)[0] ?? "", line.slice(line.indexOf("=") + 1)]),
    );
    return {
      active: found.get("ActiveState") ?? "unknown",
      sub: found.get("SubState") ?? "unknown",
      enabled: found.get("UnitFileState") === "enabled",
      restarts: Number(found.get("NRestarts") ?? 0),
    };
  },
  lastWords: async (unit) => {
    const { stdout } = await run("journalctl", [
      `--unit=${unit}`,
      "--lines=5",
      "--output=cat",
      "--no-pager",
      // What the service itself said, not what systemd said of it.
      "SYSLOG_FACILITY=3",
      "_TRANSPORT=stdout",
    ]).catch(() => ({ stdout: Buffer.alloc(0) }));
    return stdout.toString("utf8").trim().split("\n").at(-1) ?? "";
  },
  emulated: async () => {
    // QEMU without KVM: with it the answer would be kvm (systemd-detect-virt(1)).
    const { stdout } = await run("systemd-detect-virt", ["--vm"]);
    return stdout.toString("utf8").trim() === "qemu";
  },
};

async function systemctl(...args: string[]): Promise<void> {
  const { status, stderr } = await run("systemctl", ["--no-ask-password", ...args]);
  if (status === 0) return;
  // 128 + SIGINT: the terminal's Ctrl-C has reached it, too.
  if (status === 130) throw new BangerError("cancelled", "cancelled");
  const said = stderr.trim().split("\n")[0] ?? "";
  throw new BangerError(
    "operation_failed",
    `systemctl ${args.join(" ")} failed: ${said || `status ${status}`}`,
  );
}
