/** The user's own OpenSSH client, told to use banger's key, banger's known_hosts and banger as its way in. */
import { spawn } from "node:child_process";
import { access as canAccess, constants } from "node:fs/promises";
import { constants as osConstants } from "node:os";
import { join } from "node:path";
import { BangerError, isVmName } from "../../base/base.ts";
import type { Result } from "../../rpc/contract.ts";
import type { Context } from "../context.ts";
import { optionPath, proxyCommand } from "./quote.ts";

type Access = Result<"vm.ssh">;

/** The program in PATH, as an absolute path; relative entries are not looked at. */
export async function findProgram(name: string, path: string): Promise<string | undefined> {
  for (const directory of path.split(":").filter((entry) => entry.startsWith("/"))) {
    const candidate = join(directory, name);
    const found = await canAccess(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}

/** What ssh is called with. `self` runs this banger again. */
export function sshArguments(access: Access, self: readonly string[], rest: readonly string[]): string[] {
  // ssh takes a word that begins with - for an option, and gives the host's name to a shell; options of the user's may
  // follow it, which "--" before it would end.
  if (!isVmName(access.vm.name)) throw new BangerError("denied", "the daemon's name for the VM is none");
  const options = {
    ProxyCommand: proxyCommand(self),
    IdentityFile: optionPath(access.identityFile),
    IdentitiesOnly: "yes",
    UserKnownHostsFile: optionPath(access.knownHostsFile),
    GlobalKnownHostsFile: "/dev/null",
    HostKeyAlias: access.hostAlias,
    StrictHostKeyChecking: "yes",
    UpdateHostKeys: "no",
    CheckHostIP: "no",
    PreferredAuthentications: "publickey",
    PasswordAuthentication: "no",
    ControlPath: "none",
    LogLevel: "ERROR",
  };
  return [
    "-F",
    "/dev/null",
    ...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]),
    "-l",
    access.user,
    `${access.vm.name}.vm`,
    ...rest,
  ];
}

/** Runs ssh on our own terminal and streams; its exit status is the answer. */
export function runOpenSsh(ctx: Context, program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", env: ctx.env });
    // On a terminal ssh gets Ctrl-C by itself; from outside it is told. Either way it decides when to end.
    const release = ctx.takeInterrupts((name) => {
      if (name !== "SIGINT" || !ctx.tty.stdin) child.kill(name);
    });
    child.on("error", (error) => {
      release();
      reject(new BangerError("host_missing", `${program} could not be started`, { cause: error }));
    });
    child.on("exit", (code, signal) => {
      release();
      resolve(code ?? 128 + (signal === null ? 0 : osConstants.signals[signal]));
    });
  });
}
