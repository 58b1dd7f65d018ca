/** Processes that this one starts for good or as somebody else: see native/shim/spawn.c. */
import { dlopen, FFIType } from "bun:ffi";
import shimPath from "../../build/native/shim.so" with { type: "file" };
import { waitForExit } from "./exit.ts";
import { identify, type ProcessIdentity } from "./identity.ts";
import type { UserId } from "./owner-files.ts";
import { check } from "./shim.ts";

const symbols = {
  banger_spawn: {
    args: [
      FFIType.ptr,
      FFIType.ptr,
      FFIType.ptr,
      FFIType.ptr,
      FFIType.ptr,
      FFIType.i32,
      FFIType.u32,
      FFIType.u32,
    ],
    returns: FFIType.i32,
  },
  banger_reap: { args: [FFIType.i32], returns: FFIType.i32 },
} as const;

let loaded: ReturnType<typeof dlopen<typeof symbols>> | undefined;

function shim() {
  loaded ??= dlopen(shimPath, symbols);
  return loaded.symbols;
}

export interface SpawnOptions {
  stdout: number;
  stderr: number;
  /** A descriptor that the program finds as its number 3. */
  fd3?: number;
  /**
   * Mounts (readOnlyMount) and the files at which it finds them, two at most: in a mount namespace of its own, whose end is
   * theirs. Nobody but root may be able to change the paths.
   */
  mounts?: readonly { mount: number; at: string }[];
  /** The user it becomes for good: no groups, no capabilities, no_new_privs. Default: stays who we are. */
  user?: UserId;
}

export interface Spawned {
  /** Undefined when it has ended already. */
  identity: ProcessIdentity | undefined;
  /** Its exit status, or 128 + the signal that ended it. Must be awaited by somebody, else it stays a zombie. */
  ended: Promise<number>;
}

const environment = "LC_ALL=C.UTF-8\0PATH=/usr/sbin:/usr/bin:/sbin:/bin\0\0";

/** Starts a program (an absolute path) in a session of its own, in /, with nothing open but what is named here. */
export function spawnAs(program: string, args: readonly string[], options: SpawnOptions): Spawned {
  const words = [program, ...args];
  if (words.some((word) => word === "" || word.includes("\0")))
    throw new Error("an empty argument, or a NUL in one");
  const argv = Buffer.from(`${words.join("\0")}\0\0`);
  const mounts = options.mounts ?? [];
  const fds = new Int32Array([
    ...[options.stdout, options.stderr, options.fd3 ?? -1],
    ...mounts.map(({ mount }) => mount),
  ]);
  const targets = Buffer.from(`${mounts.map(({ at }) => `${at}\0`).join("")}\0`);
  const user = options.user ?? { uid: 0, gid: 0 };
  // SAFETY: all buffers live until the call returns, by when the child has executed the program or is gone.
  const pid = shim().banger_spawn(
    Buffer.from(`${program}\0`),
    argv,
    Buffer.from(environment),
    fds,
    targets,
    options.user === undefined ? 0 : 1,
    user.uid,
    user.gid,
  );
  check(pid, `executing ${program}`);
  const identity = identify(pid);
  return { identity, ended: endOf(pid, identity) };
}

async function endOf(pid: number, identity: ProcessIdentity | undefined): Promise<number> {
  if (identity !== undefined) await waitForExit(identity);
  // SAFETY: a number only; the process is a child of ours that nobody else waits for, so the number is still its own.
  return check(shim().banger_reap(pid), "waitpid");
}
