/** What the benchmarks run against: dist/banger in directories of their own, and QEMU by hand beside it. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { banger, root } from "./built.ts";

export const scratch = mkdtempSync(join(tmpdir(), "banger-bench-"));
mkdirSync(join(root, "build/e2e"), { recursive: true });
export const env: Record<string, string> = {
  PATH: process.env.PATH ?? "",
  HOME: scratch,
  LANG: "C.UTF-8",
  // Shares the tests' image store: building one takes minutes.
  XDG_STATE_HOME: join(root, "build/e2e"),
  XDG_RUNTIME_DIR: join(scratch, "run"),
  XDG_CONFIG_HOME: join(scratch, "config"),
  XDG_CACHE_HOME: join(scratch, "cache"),
};

/** A command from start to end, in ms. Throws when it fails. */
export function time(args: readonly string[], input?: string): Promise<number> {
  const started = performance.now();
  const { status, stderr } = spawnSync(banger, args, { env, cwd: scratch, input, maxBuffer: 1 << 28 });
  const took = performance.now() - started;
  if (status !== 0) throw new Error(`banger ${args.join(" ")}: ${stderr}`);
  settle(args);
  return Promise.resolve(took);
}

/** What `--rm` leaves to the daemon must not fall into what is measured next: this command waits for it. */
function settle(args: readonly string[]): void {
  if (args.includes("--rm")) spawnSync(banger, ["vm", "list"], { env });
}

/** From start to the first byte of output, in ms; then waits for the end. */
export function timeToOutput(args: readonly string[]): Promise<number> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    let first: number | undefined;
    let said = "";
    const child = spawn(banger, args, { env, cwd: scratch, stdio: ["ignore", "pipe", "pipe"] });
    child.stderr.on("data", (text: Buffer) => {
      said += text;
    });
    child.stdout.once("data", () => {
      first = performance.now() - started;
    });
    child.on("close", (status) => {
      settle(args);
      if (status === 0 && first !== undefined) resolve(first);
      else reject(new Error(`banger ${args.join(" ")} ended with ${status}: ${said}`));
    });
  });
}

/** From the start of `vm create` to the banner of the guest's sshd, in ms; then the VM is deleted. */
export async function timeToSsh(name: string, size: readonly string[]): Promise<number> {
  const started = performance.now();
  const create = spawn(banger, ["vm", "create", "--name", name, ...size], {
    env,
    cwd: scratch,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const created = new Promise<number | null>((resolve) => create.once("close", resolve));
  // The connection waits for a guest that boots; only the VM's name must be known.
  while (!(await banner(name))) {
    if (create.exitCode !== null && create.exitCode !== 0)
      throw new Error(`vm create ended with ${create.exitCode}`);
    // Each attempt is a process, and would slow the boot down that it waits for.
    await Bun.sleep(150);
  }
  const ms = performance.now() - started;
  await created;
  await time(["vm", "delete", name]);
  return ms;
}

function banner(name: string): Promise<boolean> {
  const child = spawn(banger, ["internal", "connect", name, "22"], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  return new Promise((resolve) => {
    child.stdout.once("data", (bytes: Buffer) => {
      resolve(bytes.toString().startsWith("SSH-"));
      child.kill();
    });
    child.once("close", () => resolve(false));
  });
}

export function text(args: readonly string[]): string {
  return spawnSync(banger, args, { env, cwd: scratch, encoding: "utf8" }).stdout;
}

/** The directory of a template for VMs of this size. */
export async function warmUp(size: readonly string[]): Promise<string> {
  const listed = () => JSON.parse(text(["template", "list", "--json"])) as { key: string }[];
  // One that is there already would not be made again.
  text(["template", "prune"]);
  await time(["vm", "run", "--rm", ...size, "--", "true"]);
  for (let waited = 0; waited < 600; waited += 1) {
    const key = listed()[0]?.key;
    if (key !== undefined) return join(env.XDG_STATE_HOME ?? "", "banger/templates", key);
    await Bun.sleep(500);
  }
  throw new Error("no template was made");
}

/** Whether one more guest is made in advance after each start. Ends the daemon, which reads it when it begins. */
export function spares(on: boolean): void {
  const config = join(scratch, "config/banger");
  mkdirSync(config, { recursive: true });
  writeFileSync(join(config, "config.toml"), `[warm]\nspare = ${on}\n`);
  spawnSync(banger, ["daemon", "stop"], { env });
}

/** Resolves when a guest waits to be the next VM. */
export async function oneWaits(): Promise<void> {
  for (let waited = 0; waited < 300; waited += 1) {
    const listed = JSON.parse(text(["template", "list", "--json"])) as { waiting: boolean }[];
    if (listed.some(({ waiting }) => waiting)) return;
    await Bun.sleep(200);
  }
  throw new Error("no guest waits");
}

export function cleanUp(): void {
  deleteAll();
  spawnSync(banger, ["template", "prune"], { env });
  spawnSync(banger, ["daemon", "stop"], { env });
  rmSync(scratch, { recursive: true, force: true });
}

/** The store is the tests' too, but no VM in it is anybody's between two runs. */
export function deleteAll(): void {
  const names = (JSON.parse(text(["vm", "list", "--json"]) || "[]") as { name: string }[]).map(
    (vm) => vm.name,
  );
  if (names.length > 0) spawnSync(banger, ["vm", "delete", ...names], { env });
}
