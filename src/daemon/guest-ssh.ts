/** The way to a guest's sshd: by its address on banger's bridge, where there is one, with the host key that banger gave it. */
import { readFile } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import { BangerError } from "../base/base.ts";
import type { SshTarget } from "../guest/guest.ts";
import type { VmRecord } from "../state/state.ts";
import { type VmPaths, vmFiles } from "../vm/vm.ts";
import type { OwnKey } from "./ssh-key.ts";

const sshPort = 22;

/** Undefined for a VM without an address of its own: nothing but its VMM reaches it. */
export function sshTarget(vm: VmRecord, paths: VmPaths, ownKey: OwnKey): SshTarget | undefined {
  const { address } = vm;
  if (address === null) return undefined;
  return {
    user: "root",
    dial: (signal) => dial(address, signal),
    hostKey: () => readFile(vmFiles(paths, vm.id).hostKeyPublic, "utf8"),
    privateKey: async () => readFile(await ownKey.identityFile(), "utf8"),
  };
}

function dial(host: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port: sshPort });
    const give = () => {
      socket.destroy();
      reject(new BangerError("timeout", `nothing answers at ${host}, port ${sshPort}`));
    };
    const settled = () => {
      signal.removeEventListener("abort", give);
      socket.off("error", fail);
    };
    const fail = (error: Error) => {
      settled();
      reject(new BangerError("unavailable", `${host}, port ${sshPort}: ${error.message}`, { cause: error }));
    };
    socket.once("error", fail);
    socket.once("connect", () => {
      settled();
      resolve(socket);
    });
    signal.addEventListener("abort", give, { once: true });
    if (signal.aborted) give();
  });
}
