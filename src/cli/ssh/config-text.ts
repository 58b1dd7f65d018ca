/** The ssh configuration for all VMs: `ssh NAME.vm`, and everything that uses ssh underneath. */
import type { Result } from "../../rpc/contract.ts";
import { optionPath, proxyCommand } from "./quote.ts";

/**
 * ssh takes the first value that it finds for an option, and this file is included first: what is said here holds, whatever
 * the person's own `Host *` says, and what is not said here is theirs. So is said what a guest, which nobody needs to trust,
 * must not be given: an agent, a display. No option that an old ssh does not know, because it would refuse to run at all.
 */
export function configText(access: Result<"ssh.config">, self: readonly string[]): string {
  const options = {
    User: "root",
    Port: "22",
    ProxyCommand: proxyCommand(self),
    IdentityFile: optionPath(access.identityFile),
    IdentitiesOnly: "yes",
    PreferredAuthentications: "publickey",
    PubkeyAuthentication: "yes",
    PasswordAuthentication: "no",
    UserKnownHostsFile: optionPath(access.knownHostsFile),
    GlobalKnownHostsFile: "/dev/null",
    // Each VM's host key is known before its first start: nothing is trusted because it came first.
    StrictHostKeyChecking: "yes",
    UpdateHostKeys: "no",
    CheckHostIP: "no",
    VerifyHostKeyDNS: "no",
    ForwardAgent: "no",
    ForwardX11: "no",
  };
  const lines = Object.entries(options).map(([key, value]) => `  ${key} ${value}`);
  return ["# Written by banger ssh-config, each time anew.", "Host *.vm", ...lines, ""].join("\n");
}
