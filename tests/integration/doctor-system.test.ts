/**
 * `banger doctor` in system mode: the two daemons, started by hand, in mount and network namespaces of their own, in which
 * this host has an installation, and then one fault after another. Needs root.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commit, version } from "../../src/base/version.ts";
import { formatInstall } from "../../src/config/config.ts";
import type { Report } from "../../src/doctor/doctor.ts";
import { isRoot, owner } from "./helper-fixture.ts";

if (!isRoot) process.stdout.write("doctor-system: left out, it needs root\n");

const main = join(import.meta.dir, "../../src/main.ts");

/** $1: a directory for all of it. The faults are in the order in which the tests below speak of them. */
const script = `
set -eu
dir=$1 bun=$2 main=$3 uid=$4
mount -t tmpfs -o mode=755 none "$dir/layers"
for over in /etc /var/lib /usr/local; do
  mkdir -p "$dir/layers$over/up" "$dir/layers$over/work"
  mount -t overlay -o "lowerdir=$over,upperdir=$dir/layers$over/up,workdir=$dir/layers$over/work" none "$over"
done
mount -t tmpfs -o mode=755 none /run
mkdir -p /etc/banger /run/banger /run/banger-root /var/lib/banger /var/lib/banger-jail
chown "$uid:$uid" /run/banger /var/lib/banger
chmod 700 /run/banger /var/lib/banger
chmod 711 /run/banger-root /var/lib/banger-jail
cp "$dir/install.toml" /etc/banger/install.toml
ip link set lo up
# What the real ones say to --version, the log line of the first included.
printf '#!/bin/sh\\necho "Firecracker v1.12.1"; echo; echo "2026-03-04T10:00:00 [anonymous-instance:main] Firecracker exiting successfully. exit_code=0"\\n' >/usr/local/bin/firecracker
printf '#!/bin/sh\\necho "Jailer v1.12.1"\\n' >/usr/local/bin/jailer
chmod 755 /usr/local/bin/firecracker /usr/local/bin/jailer

as_owner() { env -i HOME="$dir/home" PATH="$PATH" TMPDIR="$dir/home" setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"; }
doctor() { as_owner "$bun" "$main" doctor --json >"$dir/$1.json" || test $? = 1; }
wait_for() { for _ in $(seq 300); do test -S "$1" && return; sleep 0.1; done; exit 9; }

"$bun" "$main" internal helper >"$dir/helper.log" 2>&1 & helper=$!
trap 'kill $helper $daemon 2>/dev/null || :' EXIT
daemon=
wait_for /run/banger-root/bangerd-root.sock
env -i HOME="$dir/home" PATH="$PATH" TMPDIR="$dir/home" setpriv --reuid "$uid" --regid "$uid" --clear-groups \\
  "$bun" "$main" internal daemon --system >"$dir/daemon.log" 2>&1 & daemon=$!
wait_for /run/banger/bangerd.sock
doctor well

ip link add other0 type bridge
ip address add 172.16.0.9/16 dev other0
echo 'bridge_name = "br-fc"' >/etc/banger/config.toml
chmod 666 /etc/banger/config.toml
doctor faults
rm /etc/banger/config.toml
chown "$uid" /usr/local/bin/firecracker
env -i HOME="$dir/home" PATH="$PATH" TMPDIR="$dir/home" "$bun" "$main" doctor --json >"$dir/root.json" || test $? = 1

kill -9 $helper
{ wait $helper || :; } 2>/dev/null
ip link delete br-fc
ip link add br-fc type bridge
doctor headless

echo 'version = ""' >/etc/banger/install.toml
doctor unreadable
`;

describe.if(isRoot)("doctor with system services", () => {
  const dir = isRoot ? mkdtempSync(join(tmpdir(), "banger-doctor-")) : "";
  const report = (name: string) => JSON.parse(readFileSync(join(dir, `${name}.json`), "utf8")) as Report;
  const check = (name: string, id: string) => report(name).results.find((each) => each.id === id);

  beforeAll(async () => {
    chmodSync(dir, 0o755);
    for (const name of ["layers", "home"]) mkdirSync(join(dir, name));
    chmodSync(join(dir, "home"), 0o777);
    const install = {
      ...{ owner: "banger-test", ...owner, home: join(dir, "home"), version, commit },
      ...{ built_at: "unknown", installed_at: "2026-03-04T10:00:00Z" },
    };
    writeFileSync(join(dir, "install.toml"), formatInstall(install));
    const words = [
      "--mount",
      "--net",
      "sh",
      "-c",
      script,
      "sh",
      dir,
      process.execPath,
      main,
      String(owner.uid),
    ];
    const child = spawn("unshare", words, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect([status, said]).toEqual([0, ""]);
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  test("asks the daemon and the helper, as the owner, and finds what they have made", () => {
    expect(report("well").mode).toBe("system");
    for (const id of ["installation", "answers", "trusted-files", "jail-base", "state", "runtime"])
      expect(check("well", id)).toMatchObject({ id, state: "pass" });
    expect(check("well", "bridge")?.summary).toBe("br-fc, 172.16.0.0/24");
    expect(check("well", "leftovers")).toMatchObject({
      state: "pass",
      evidence: [{ looked: "the helper's inventory", found: "0 VMs, 0 base loops, 4 idle TAPs" }],
    });
    expect(check("well", "vms")?.summary).toBe("0 in all, 0 running");
  });

  test("knows that there is no systemd, without taking it for the services' fault", () => {
    expect(check("well", "services")).toMatchObject({
      state: "skip",
      summary: "not known: systemd does not run here, and the services are its units",
    });
  });

  test("knows what the jailer of that version does, and why that is no harm here", () => {
    expect(check("well", "jailer")).toMatchObject({
      state: "pass",
      summary: "1.12.1",
      evidence: expect.arrayContaining([
        {
          looked: "CVE-2026-1386",
          found: "1.12.1 has it; /var/lib/banger-jail is root's alone, so nobody can use it",
        },
      ]),
    });
  });

  test("does not run as root what others could have put there", () => {
    expect(check("root", "firecracker")).toMatchObject({
      state: "fail",
      summary: `root does not run /usr/local/bin/firecracker: it belongs to user ${owner.uid}, not to root`,
      evidence: expect.arrayContaining([
        { looked: "its version", found: "not asked (tested: 1.5.0 to 1.14.1)" },
      ]),
    });
  });

  test("finds a subnet that is in use, and a file that others can write to", () => {
    expect(check("faults", "bridge")).toMatchObject({
      state: "warn",
      summary: "172.16.0.0/24 is in use: other0 has 172.16.0.0/16",
    });
    expect(check("faults", "trusted-files")).toMatchObject({
      state: "fail",
      summary: "others than root can change /etc/banger/config.toml",
    });
  });

  test("finds a helper that does not answer, and a bridge that is somebody else's", () => {
    expect(check("headless", "answers")).toMatchObject({
      state: "fail",
      summary: "no answer on /run/banger-root/bangerd-root.sock",
    });
    expect(check("headless", "bridge")?.summary).toBe("there is an interface br-fc that is not banger's");
    expect(check("headless", "forwarding")).toMatchObject({
      state: "skip",
      summary: "not looked at, because of bridge",
    });
    expect(check("headless", "leftovers")?.state).toBe("skip");
  });

  test("does not fail for an installation that nobody can make sense of", () => {
    expect(check("unreadable", "environment")).toMatchObject({
      state: "fail",
      summary: expect.stringContaining("/etc/banger/install.toml cannot be used"),
    });
  });
});
