/** vm ssh against a real sshd (where there is one) through ProxyCommand, and the built-in client against ssh2's server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuthContext, Server, utils } from "ssh2";
import { pinnedKeys, runBuiltInSsh } from "../../src/cli/ssh/built-in.ts";
import { FakeDaemon, fakeVm } from "../../src/cli/testing/fake-daemon.ts";
import { session } from "../../src/cli/testing/harness.ts";

const directory = mkdtempSync(join(tmpdir(), "banger cli ssh "));
const user = utils.generateKeyPairSync("ed25519");
const host = utils.generateKeyPairSync("ed25519");
const stranger = utils.generateKeyPairSync("ed25519");
const identityFile = join(directory, "id");
const knownHostsFile = join(directory, "known_hosts");
const access = {
  vm: fakeVm("calm-otter"),
  user: "root",
  identityFile,
  knownHostsFile,
  hostAlias: "calm-otter.vm",
};

beforeAll(() => {
  writeFileSync(identityFile, user.private, { mode: 0o600 });
  writeFileSync(
    knownHostsFile,
    `# made by banger\ncalm-otter.vm ${host.public}\nother.vm ${stranger.public}\n`,
  );
});
const servers: Server[] = [];

afterAll(() => {
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A daemon whose guest's port 22 is ssh2's server with the given host key. */
function guestWith(hostKey: string): FakeDaemon {
  const server = new Server({ hostKeys: [hostKey] }, (client) => {
    client.on("error", () => {});
    client.on("authentication", (auth: AuthContext) => {
      const expected = utils.parseKey(user.public);
      const known =
        !(expected instanceof Error) &&
        auth.method === "publickey" &&
        auth.key.data.equals(expected.getPublicSSH());
      if (known) auth.accept();
      else auth.reject(["publickey"]);
    });
    client.on("session", (accept) => {
      const shell = accept();
      shell.on("pty", (acceptPty) => acceptPty());
      shell.on("shell", (acceptShell) => {
        const stream = acceptShell();
        stream.write("a shell\n");
        stream.exit(0);
        stream.end();
      });
      shell.on("exec", (acceptExec, _reject, { command }) => {
        const stream = acceptExec();
        stream.write(`ran ${command}\n`);
        stream.stderr.write("and complained\n");
        stream.exit(42);
        stream.end();
      });
    });
  });
  // A real socket: ssh2 does not survive a stream that delivers within write().
  const path = join(directory, `${servers.length}.sock`);
  server.listen(path);
  servers.push(server);
  const daemon: FakeDaemon = new FakeDaemon({
    "guest.connect": ({ port }) => {
      expect(port).toBe(22);
      return { ticket: daemon.ticket(connect({ path, allowHalfOpen: true })) };
    },
  });
  return daemon;
}

describe("without an ssh program", () => {
  test("a command runs through the built-in client, with its streams and status", async () => {
    const daemon = guestWith(host.private);
    const run = session({ daemon });
    expect(await runBuiltInSsh(run.ctx, daemon, access, ["uptime", "-p"])).toBe(42);
    expect([run.out(), run.err()]).toEqual(["ran uptime -p\n", "and complained\n"]);
  });

  test("a shell opens on our terminal, which is given back", async () => {
    const daemon = guestWith(host.private);
    const run = session({ daemon, tty: { stdin: true, stdout: true } });
    expect(await runBuiltInSsh(run.ctx, daemon, access, [])).toBe(0);
    expect(run.out()).toBe("a shell\n");
    expect(run.raw).toEqual([true, false]);
  });

  test("another host key than the pinned one is a loud failure", async () => {
    const daemon = guestWith(stranger.private);
    const run = session({ daemon });
    await expect(runBuiltInSsh(run.ctx, daemon, access, ["id"])).rejects.toThrow(
      "host key is not the one banger gave it",
    );
    expect(run.out()).toBe("");
  });

  test("options for OpenSSH are refused with what to install", async () => {
    const daemon = guestWith(host.private);
    const run = session({ daemon });
    await expect(runBuiltInSsh(run.ctx, daemon, access, ["-L", "1:h:2"])).rejects.toThrow(
      "needs an OpenSSH client",
    );
  });

  test("only the alias's own lines pin", () => {
    const lines = readFileSync(knownHostsFile, "utf8");
    expect(pinnedKeys(lines, "calm-otter.vm").length).toBe(1);
    expect(pinnedKeys(lines, "nobody.vm")).toEqual([]);
  });
});

const ssh = Bun.which("ssh");
const sshd = Bun.which("sshd", { PATH: `${process.env.PATH}:/usr/sbin` });

describe.if(ssh !== null && sshd !== null)("with OpenSSH", () => {
  const program = [process.execPath, join(import.meta.dir, "../fakes/cli-with-sshd.ts")];

  function vmSsh(words: string[], env: Record<string, string> = {}) {
    return Bun.spawnSync([...program, "vm", "ssh", "calm-otter", ...words], {
      env: { ...process.env, FAKE_SSH_DIR: directory, FAKE_SSHD: sshd ?? "", ...env },
      stdin: "ignore",
    });
  }

  beforeAll(() => {
    writeFileSync(join(directory, "host_key"), host.private, { mode: 0o600 });
    writeFileSync(join(directory, "authorized_keys"), `${user.public}\n`, { mode: 0o600 });
    writeFileSync(join(directory, "other_key"), stranger.private, { mode: 0o600 });
    execFileSync("mkdir", ["-p", "/run/sshd"]);
  });

  test("a command's output and status come back, and ~/.ssh is not needed", () => {
    const { stdout, stderr, exitCode } = vmSsh(["--", "echo hello; exit 42"], { HOME: directory });
    expect(stderr.toString()).toBe("");
    expect([stdout.toString(), exitCode]).toEqual(["hello\n", 42]);
  });

  test("the guest can use our ssh-agent with -A, and not without", () => {
    const socket = join(directory, "agent");
    const agent = Bun.spawn(["ssh-agent", "-D", "-a", socket], { stdout: "ignore", stderr: "ignore" });
    const env = { SSH_AUTH_SOCK: socket };
    try {
      const added = () =>
        Bun.spawnSync(["ssh-add", "-q", identityFile], { env: { ...process.env, ...env } }).exitCode;
      // It listens in a moment, and nothing tells when.
      for (let turn = 0; turn < 100 && added() !== 0; turn += 1) Bun.sleepSync(20);
      const keys = ["--", "ssh-add -L || true"];
      expect(vmSsh(["-A", ...keys], env).stdout.toString()).toStartWith(user.public);
      expect(vmSsh(keys, env).stdout.toString()).toBe("");
    } finally {
      agent.kill();
    }
  });

  test("another host key than the pinned one is a loud failure with ssh's status", () => {
    const { stderr, exitCode, stdout } = vmSsh(["--", "echo hello"], { FAKE_HOST_KEY: "other_key" });
    expect(stderr.toString()).toContain("REMOTE HOST IDENTIFICATION HAS CHANGED");
    expect([stdout.toString(), exitCode]).toEqual(["", 255]);
  });
});

if (ssh === null || sshd === null) console.log("skipped: OpenSSH's ssh and sshd are not both here");
