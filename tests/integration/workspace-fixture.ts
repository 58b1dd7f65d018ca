/**
 * A guest that is a directory and this host's shell: the CLI's own scripts run in it with the real git, and tars are unpacked by
 * tar. Everything but the machine is as it is in a VM.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { openWorkspace } from "../../src/cli/run/open-workspace.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import { bytePair } from "../../src/cli/testing/byte-pair.ts";
import { FakeDaemon, fakeVm } from "../../src/cli/testing/fake-daemon.ts";
import { session } from "../../src/cli/testing/harness.ts";
import type { Workspace } from "../../src/rpc/contract.ts";
import { commitAll, git, initRepository, tempDir } from "./repo-fixture.ts";

export interface Said {
  status: number;
  out: string;
  err: string;
}

export class Pair implements Disposable {
  readonly temp = tempDir();
  readonly host = join(this.temp.path, "host");
  readonly guest = join(this.temp.path, "guest/repo");
  workspace: Workspace | null = null;
  /** Instead of what the guest's shell would say. */
  lie: ((script: string) => Uint8Array | undefined) | undefined;
  breakImport = false;
  readonly daemon: FakeDaemon;

  constructor() {
    process.env.XDG_CACHE_HOME = join(this.temp.path, "cache");
    initRepository(this.host);
    git(this.host, "config", "user.name", "Host");
    git(this.host, "config", "user.email", "host@example.org");
    mkdirSync(join(this.temp.path, "guest"));
    const vm = () => fakeVm("calm-otter", { workspace: this.workspace });
    this.daemon = new FakeDaemon({
      "vm.show": vm,
      "workspace.import": async ({ workspace }, { emit }) => {
        if (this.breakImport) throw new Error("the machine is gone");
        const [near, far] = bytePair();
        emit({ kind: "tickets", stdio: this.daemon.ticket(near) });
        mkdirSync(workspace.guestPath, { recursive: true });
        const status = await this.#run(
          ["tar", "-x", "-p", "-f", "-", "-C", workspace.guestPath],
          far,
          undefined,
        );
        if (status !== 0) throw new Error(`tar ended with ${status}`);
        this.workspace = workspace;
        return { files: 1, bytes: 1 };
      },
      "guest.exec": async ({ argv }, { emit }) => {
        const [stdio, farStdio] = bytePair();
        const [stderr, farStderr] = bytePair();
        emit({ kind: "tickets", stdio: this.daemon.ticket(stdio), stderr: this.daemon.ticket(stderr) });
        const lie = this.lie?.(argv[2] ?? "");
        if (lie !== undefined) {
          farStdio.end(lie);
          farStderr.end();
          return { status: 0 };
        }
        return { status: await this.#run(argv, farStdio, farStderr) };
      },
    });
  }

  /** One call of banger, on the host. */
  async banger(...words: string[]): Promise<Said> {
    const run = session({ daemon: this.daemon });
    const ctx = {
      ...run.ctx,
      cwd: this.temp.path,
      openWorkspace: (path: string, options: Parameters<typeof openWorkspace>[2]) =>
        openWorkspace({ cwd: this.temp.path, signal: run.ctx.signal }, path, options),
    };
    const status = await runCli(words, ctx);
    return { status, out: run.out(), err: run.err() };
  }

  /** Like banger, and throws when it fails. */
  async ok(...words: string[]): Promise<Said> {
    const said = await this.banger(...words);
    if (said.status !== 0) throw new Error(`banger ${words.join(" ")}: ${said.err}`);
    return said;
  }

  async prepare(...words: string[]): Promise<Said> {
    return this.ok(
      "vm",
      "workspace",
      "prepare",
      "calm-otter",
      this.host,
      "--guest-path",
      this.guest,
      ...words,
    );
  }

  [Symbol.dispose](): void {
    this.temp[Symbol.dispose]();
  }

  async #run(argv: readonly string[], stdio: Duplex, stderr: Duplex | undefined): Promise<number> {
    const child = spawn(argv[0] ?? "", argv.slice(1), {
      cwd: existsSync(this.guest) ? this.guest : "/",
      env: { PATH: process.env.PATH ?? "", HOME: this.temp.path, GIT_CONFIG_NOSYSTEM: "1" },
      stdio: "pipe",
    });
    child.stdin.on("error", () => {});
    stdio.pipe(child.stdin);
    child.stdout.on("data", (chunk) => stdio.write(chunk));
    child.stderr.on("data", (chunk) => stderr?.write(chunk));
    const status = await new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? 255)));
    stdio.end();
    stderr?.end();
    return status;
  }
}

const lines = (n: number) => Array.from({ length: n }, (_, i) => `line ${i}\n`).join("");

/** With a repository of a few files, committed. */
export function pair(): Pair {
  const both = new Pair();
  write(both.host, "a.txt", lines(30));
  write(both.host, "dir/b.txt", "b\n");
  write(both.host, "bin", Buffer.from([0, 1, 2, 255, 10]));
  write(both.host, ".gitignore", "ignored/\n.env\n");
  commitAll(both.host);
  return both;
}

export function write(dir: string, name: string, content: string | Uint8Array): void {
  mkdirSync(join(dir, name, ".."), { recursive: true });
  writeFileSync(join(dir, name), content);
}

export const read = (dir: string, name: string) => readFileSync(join(dir, name), "utf8");
