/** banger vm ssh */
import { BangerError, GuestExit } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { oneVm, toggle } from "../flags.ts";
import { findProgram, runOpenSsh, sshArguments } from "../ssh/openssh.ts";

export const command = defineCommand({
  summary: "log in to a running VM with ssh",
  details:
    "Uses your OpenSSH client with banger's key and banger's own known_hosts; nothing in ~/.ssh is read or changed. What follows -- goes to ssh as it is: options, then a command. ssh's exit status is banger's. Without an ssh program a built-in client is used.",
  examples: [
    { command: "vm ssh calm-otter", note: "a shell" },
    { command: "vm ssh calm-otter -- -L 8080:localhost:80", note: "with a port forwarded" },
    { command: "vm ssh -A calm-otter", note: "a shell that may use your ssh-agent" },
    { command: "vm ssh calm-otter -- uptime", note: "a command, through the guest's shell" },
  ],
  args: { vm: oneVm() },
  flags: {
    forwardAgent: toggle(
      "let the VM use your ssh-agent while the session lasts: whoever is root in it can then log in as you elsewhere",
      "A",
    ),
  },
  rest: { name: "arguments", description: "options for ssh and a command", required: false },
  run: async ({ vm, forwardAgent, rest = [] }, ctx) => {
    if (forwardAgent && (ctx.env.SSH_AUTH_SOCK ?? "") === "") {
      throw new BangerError("precondition", "there is no ssh-agent to forward: SSH_AUTH_SOCK is not set", {
        hint: 'start one: eval "$(ssh-agent)"; ssh-add',
      });
    }
    const client = await ctx.client();
    const access = await client.call("vm.ssh", { ref: vm }, { signal: ctx.signal });
    const program = await findProgram("ssh", ctx.env.PATH ?? "");
    if (program !== undefined) {
      const options = forwardAgent ? ["-A", ...rest] : rest;
      return new GuestExit(await runOpenSsh(ctx, program, sshArguments(access, ctx.self, options)));
    }
    if (forwardAgent) {
      throw new BangerError("host_missing", "-A needs an OpenSSH client, and there is none", {
        hint: "install one: apt install openssh-client",
      });
    }
    const { runBuiltInSsh } = await import("../ssh/built-in.ts");
    return new GuestExit(await runBuiltInSsh(ctx, client, access, rest));
  },
});
