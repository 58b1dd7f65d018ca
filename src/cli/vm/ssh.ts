/** banger vm ssh */
import { GuestExit } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { oneVm } from "../flags.ts";
import { findProgram, runOpenSsh, sshArguments } from "../ssh/openssh.ts";

export const command = defineCommand({
  summary: "log in to a running VM with ssh",
  details:
    "Uses your OpenSSH client with banger's key and banger's own known_hosts; nothing in ~/.ssh is read or changed. What follows -- goes to ssh as it is: options, then a command. ssh's exit status is banger's. Without an ssh program a built-in client is used.",
  examples: [
    { command: "vm ssh calm-otter", note: "a shell" },
    { command: "vm ssh calm-otter -- -L 8080:localhost:80", note: "with a port forwarded" },
    { command: "vm ssh calm-otter -- uptime", note: "a command, through the guest's shell" },
  ],
  args: { vm: oneVm() },
  flags: {},
  rest: { name: "arguments", description: "options for ssh and a command", required: false },
  run: async ({ vm, rest = [] }, ctx) => {
    const client = await ctx.client();
    const access = await client.call("vm.ssh", { ref: vm }, { signal: ctx.signal });
    const program = await findProgram("ssh", ctx.env.PATH ?? "");
    if (program !== undefined) {
      return new GuestExit(await runOpenSsh(ctx, program, sshArguments(access, ctx.self, rest)));
    }
    const { runBuiltInSsh } = await import("../ssh/built-in.ts");
    return new GuestExit(await runBuiltInSsh(ctx, client, access, rest));
  },
});
