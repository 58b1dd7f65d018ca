/** banger system install */
import { BangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { json, text } from "../flags.ts";
import { printResult, renderRecord } from "../output/table.ts";
import { statusRows } from "./status-rows.ts";
import { sudoLine } from "./sudo-line.ts";

export const command = defineCommand({
  summary: "install banger's services for one user, and start them",
  details:
    "Copies this executable to /usr/local/bin, writes systemd units and /etc/banger/install.toml, and returns when both services answer. Over an older installation it replaces what is there and keeps VMs, also those that run. When it fails, the host is as it was.",
  examples: [
    { command: "system install --owner alice", note: "alice's VMs run under the services (with sudo)" },
  ],
  args: {},
  flags: { owner: text("USER", "whose VMs they will be: a user other than root"), json: json() },
  interrupted: "the host is as it was",
  run: async ({ owner, json: asJson }, ctx) => {
    const line = sudoLine(ctx, [
      "system",
      "install",
      "--owner",
      owner ?? ctx.env.SUDO_USER ?? ctx.env.USER ?? "USER",
    ]);
    if (owner === undefined) {
      throw new BangerError("bad_request", "--owner is missing: whose VMs will they be?", { hint: line });
    }
    const system = await ctx.system(line, ctx.note);
    await system.install({ owner, signal: ctx.signal });
    const status = await system.status();
    printResult(ctx, asJson, status, renderRecord(ctx, statusRows(status, ctx.today())));
    return undefined;
  },
});
