/** The main job, on one VM that many checks share, and on some of their own. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Banger, eventually, executable, processesNaming } from "./fixture.ts";

const banger = new Banger();
const repo = join(banger.dir, "a repo's name");
const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...args], {
    cwd: repo,
    encoding: "utf8",
  });

beforeAll(async () => {
  mkdirSync(join(repo, "sub dir"), { recursive: true });
  git("init", "-q", "-b", "main");
  writeFileSync(join(repo, "Makefile"), "test:\n\t@echo tests ran\n\t@exit 3\n");
  writeFileSync(join(repo, "sub dir", "new\nline"), "x");
  writeFileSync(join(repo, "run.sh"), "#!/bin/sh\necho script\n");
  chmodSync(join(repo, "run.sh"), 0o755);
  symlinkSync("run.sh", join(repo, "link"));
  writeFileSync(join(repo, ".gitignore"), "secret\n");
  git("add", "-A");
  git("commit", "-qm", "first");
  writeFileSync(join(repo, "run.sh"), "#!/bin/sh\necho edited\n");
  writeFileSync(join(repo, "untracked"), "u");
  writeFileSync(join(repo, "secret"), "s");
  await banger.image();
  await banger.ok(["vm", "create", "--name", "shared", "--memory", "1G"]);
});
afterAll(() => banger.close());

const exec = (...argv: string[]) => banger.run(["vm", "exec", "shared", "--", ...argv]);

describe("a command in a guest", () => {
  test("gives back its own status, and only it", async () => {
    expect((await exec("sh", "-c", "exit 42")).status).toBe(42);
    expect((await exec("true")).status).toBe(0);
    expect((await exec("sh", "-c", "kill -TERM $$")).status).toBe(143);
  });

  test("that is not there ends with 127, one that cannot be run with 126", async () => {
    expect((await exec("no-such-program")).status).toBe(127);
    expect((await exec("/etc/passwd")).status).toBe(126);
  });

  test("keeps stdout and stderr apart, to the byte", async () => {
    const { stdout, stderr } = await exec("sh", "-c", "printf 'out\\n\\n'; printf err >&2");
    expect({ stdout, stderr }).toEqual({ stdout: "out\n\n", stderr: "err" });
  });

  test("reads stdin to its end", async () => {
    const input = Buffer.alloc(3_000_000, "0123456789abcdef");
    const { stdout } = await banger.run(["vm", "exec", "shared", "--", "sha256sum"], { input });
    expect(stdout.split(" ")[0]).toBe(new Bun.CryptoHasher("sha256").update(input).digest("hex"));
  });

  test("gets its words as they are", async () => {
    expect((await exec("printf", "%s|", "a b", "$HOME", "'", "")).stdout).toBe("a b|$HOME|'||");
  });

  test("has a terminal when banger has one", async () => {
    const shown = execFileSync("script", ["-qec", `'${executable}' vm exec shared -- tty`, "/dev/null"], {
      env: { ...banger.env, TERM: "xterm" },
      encoding: "utf8",
      input: "",
    });
    expect(shown).toContain("/dev/pts/");
  });
});

describe("the guest", () => {
  test("is a healthy Debian with its own name", async () => {
    await eventually(
      "the system is running",
      120_000,
      async () => (await exec("systemctl", "is-system-running")).stdout.trim() === "running",
    );
    expect((await exec("hostname")).stdout.trim()).toBe("shared");
    expect((await exec("sh", "-c", ". /etc/os-release; echo $ID $VERSION_ID")).stdout.trim()).toBe(
      "debian 12",
    );
    expect(
      (await exec("stat", "-c", "%a", "/root", "/root/.ssh", "/root/.ssh/authorized_keys")).stdout
        .split("\n")
        .slice(0, 3),
    ).toEqual(["755", "700", "600"]);
  });

  test("reaches nothing without --nat", async () => {
    expect(
      (
        await exec(
          "sh",
          "-c",
          "timeout 5 bash -c 'exec 3<>/dev/tcp/10.0.2.2/22' 2>/dev/null && echo reached || echo cut off",
        )
      ).stdout.trim(),
    ).toBe("cut off");
  });

  test("lets the user's OpenSSH in, with its key known beforehand", async () => {
    const { status, stdout, stderr } = await banger.run(["vm", "ssh", "shared", "--", "echo", "by ssh"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "by ssh\n" });
    expect(stderr).not.toContain("Warning");
    const knownHosts = join(
      JSON.parse(await banger.ok(["vm", "show", "shared", "--json"])).consoleLog,
      "../known_hosts",
    );
    const right = readFileSync(knownHosts, "utf8");
    writeFileSync(
      knownHosts,
      right.replace(/AAAA\S+/, "AAAAC3NzaC1lZDI1NTE5AAAAIBUuLFYlTVMuBJrQ0Tn0s3F0MIQxnCTlFnoKn2WTlRhE"),
    );
    expect((await banger.run(["vm", "ssh", "shared", "--", "true"])).status).toBe(255);
    writeFileSync(knownHosts, right);
  });
});

describe("vm run", () => {
  test("takes a repository along, and exits with the command's status", async () => {
    const { status, stdout, stderr } = await banger.run([
      "vm",
      "run",
      "--rm",
      "--memory",
      "1G",
      repo,
      "--",
      "sh",
      "-c",
      "make test; made=$?; ls -A; git status --porcelain; git log --format=%s; ./link; pwd; exit $made",
    ]);
    expect(stderr).toContain("--include-untracked");
    expect(stdout).toBe(
      "tests ran\n.git\n.gitignore\nMakefile\nlink\nrun.sh\nsub dir\n M run.sh\nfirst\nedited\n/root/repo\n",
    );
    expect(status).toBe(2);
    expect((await banger.vms()).map((vm) => vm.name)).toEqual(["shared"]);
  });

  test("twice at once works twice, and leaves nothing", async () => {
    const both = await Promise.all(
      ["one", "two"].map((word) =>
        banger.run(["vm", "run", "--rm", "--memory", "512M", "--vcpu", "1", "--", "echo", word]),
      ),
    );
    expect(both.map(({ status, stdout }) => ({ status, stdout }))).toEqual([
      { status: 0, stdout: "one\n" },
      { status: 0, stdout: "two\n" },
    ]);
    expect((await banger.vms()).length).toBe(1);
  });

  test("is taken back when the repository does not fit", async () => {
    writeFileSync(join(repo, "large"), crypto.getRandomValues(new Uint8Array(65_536)));
    for (let doubled = 0; doubled < 9; doubled += 1) {
      const half = readFileSync(join(repo, "large"));
      writeFileSync(join(repo, "large"), Buffer.concat([half, half]));
    }
    const words = ["vm", "run", "--name", "tight", "--memory", "512M", "--disk-size", "16M"];
    const { status, stderr } = await banger.run([...words, "--include-untracked", repo, "--", "true"]);
    rmSync(join(repo, "large"));
    expect(status).toBe(1);
    expect(stderr).toMatch(/large does not fit: .*\n {2}hint: .*--disk-size/);
    expect((await banger.vms()).map(({ name }) => name)).not.toContain("tight");
  });

  test("is taken back by Ctrl-C while the VM is made", async () => {
    const child = banger.start(["vm", "run", "--name", "interrupted", "--", "true"]);
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    await eventually("the VM is being started", 30_000, async () =>
      (await banger.vms()).some((vm) => vm.name === "interrupted" && vm.pid !== null),
    );
    child.kill("SIGINT");
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(130);
    expect((await banger.vms()).map((vm) => vm.name)).toEqual(["shared"]);
    expect(said).toContain("spec: ");
  });

  test("with --rm loses its VM when it is killed itself", async () => {
    const child = banger.start(["vm", "run", "--rm", "--name", "orphan", "--", "sleep", "1000"]);
    await eventually("it runs", 120_000, async () =>
      (await banger.vms()).some((vm) => vm.name === "orphan" && vm.state === "running"),
    );
    child.kill("SIGKILL");
    await eventually(
      "it is gone",
      15_000,
      async () => !(await banger.vms()).some((vm) => vm.name === "orphan"),
    );
  });
});

describe("life and death", () => {
  test("what is in /root survives stop and start", async () => {
    await exec("sh", "-c", "echo kept > /root/file");
    await banger.ok(["vm", "stop", "shared"]);
    expect((await exec("true")).status).toBe(1);
    await banger.ok(["vm", "start", "shared"]);
    expect((await exec("cat", "/root/file")).stdout).toBe("kept\n");
  });

  test("a killed daemon takes no VM with it, and the next one finds it", async () => {
    process.kill(await banger.daemonPid(), "SIGKILL");
    expect((await banger.vms()).find((vm) => vm.name === "shared")?.state).toBe("running");
    expect((await exec("echo", "still here")).stdout).toBe("still here\n");
  });

  test("a VMM that dies leaves a stopped VM that says why", async () => {
    const pid = (await banger.vms())[0]?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    await eventually("it is stopped", 5000, async () => (await banger.vms())[0]?.state === "stopped");
    expect((await banger.vms())[0]?.lastError).toContain("ended by itself");
  });

  test("deleting leaves nothing", async () => {
    await banger.ok(["vm", "delete", "shared"]);
    expect(banger.leftovers().filter((left) => !left.includes("internal daemon"))).toEqual([]);
    expect(processesNaming("qemu-system-x86_64 -name guest=shared")).toEqual([]);
  });
});
