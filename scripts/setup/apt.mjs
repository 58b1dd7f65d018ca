/** Installing what is missing on the host, through apt, after saying what and why. */
import { existsSync, readFileSync } from "node:fs";
import { note, stage } from "./progress.mjs";
import { installed, run } from "./run.mjs";

/** @param {import("./host-packages.mjs").HostPackage[]} packages */
export async function ensureHostPackages(packages) {
  const missing = packages.filter((one) => !present(one));
  if (missing.length === 0) return;
  note("banger needs these packages, which are not installed:");
  for (const { name, why } of missing) note(`  ${name.padEnd(20)} ${why}`);
  const names = missing.map((one) => one.name);
  if (!isDebianLike()) {
    note(
      `\nThis is no Debian-like system, so please install what corresponds to them yourself:\n  ${names.join(" ")}`,
    );
    process.exit(1);
  }
  const root = process.getuid?.() === 0;
  if (!root && !installed("sudo")) {
    note(
      `\nInstall them as root, then run this again:\n  apt-get install --no-install-recommends ${names.join(" ")}`,
    );
    process.exit(1);
  }
  const apt = (...args) =>
    root ? ["apt-get", args] : ["sudo", ["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args]];
  if (!root) await askForSudo();
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  // Another apt may be at work: wait for it, rather than fail.
  const patient = ["-o", "DPkg::Lock::Timeout=300", "-q"];
  await stage("updating package lists", async (update) => {
    const [program, args] = apt(...patient, "update");
    await run(program, args, { env, onLine: (line) => update(undefined, line.slice(0, 60)) });
  });
  await stage(`installing ${names.length} package${names.length === 1 ? "" : "s"}`, async (update) => {
    const fd = root ? ["-o", "APT::Status-Fd=3"] : [];
    const [program, args] = apt(...patient, ...fd, "install", "-y", "--no-install-recommends", ...names);
    // dlstatus:N:PERCENT:TEXT while downloading, pmstatus:PACKAGE:PERCENT:TEXT while installing (apt's README.progress-reporting).
    const status = (line) => {
      const [, kind, percent, text] = /^(dlstatus|pmstatus):[^:]*:([0-9.]+):(.*)$/.exec(line) ?? [];
      if (kind) update((Number(percent) / 100) * 0.5 + (kind === "pmstatus" ? 0.5 : 0), text);
    };
    await run(program, args, {
      env,
      ...(root ? { status } : { onLine: (line) => update(undefined, line.slice(0, 60)) }),
    });
  });
  await switchOff(
    missing.flatMap(({ service }) => service ?? []),
    root,
  );
}

/** Debian's packages start the services in them. */
async function switchOff(services, root) {
  if (services.length === 0 || !existsSync("/run/systemd/system")) return;
  const words = ["systemctl", "disable", "--now", ...services];
  const [program, ...args] = root ? words : ["sudo", "-n", ...words];
  await run(program, args);
  note(`switched off, because only the tests need it: ${services.join(", ")}`);
}

function present({ name, programs }) {
  if (programs.length > 0) return programs.every(installed);
  return existsSync(`/var/lib/dpkg/info/${name}.list`) || existsSync(`/var/lib/dpkg/info/${name}:amd64.list`);
}

function isDebianLike() {
  try {
    return (
      /^(ID|ID_LIKE)=.*(debian|ubuntu)/m.test(readFileSync("/etc/os-release", "utf8")) && installed("apt-get")
    );
  } catch {
    return false;
  }
}

async function askForSudo() {
  const { spawnSync } = await import("node:child_process");
  if (spawnSync("sudo", ["-v"], { stdio: "inherit" }).status === 0) return;
  note("sudo did not work; install the packages above as root, then run this again");
  process.exit(1);
}
