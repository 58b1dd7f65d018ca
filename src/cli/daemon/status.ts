/** banger daemon status */
import { formatBytes } from "../../base/base.ts";
import type { DaemonStatus } from "../../rpc/contract.ts";
import { defineCommand } from "../command.ts";
import { json } from "../flags.ts";
import { driverRows } from "../output/driver-rows.ts";
import { printJson, renderRecord } from "../output/table.ts";
import { ago } from "../output/when.ts";
import { notRunning } from "./not-running.ts";

export const command = defineCommand({
  summary: "show which daemon it is and why, and what it runs with",
  details: "Never starts it; the exit status is 1 when it does not run.",
  examples: [
    { command: "daemon status", note: "pid, socket, log, how VMs run" },
    { command: "daemon status --json", note: "the same for programs" },
  ],
  args: {},
  flags: { json: json() },
  run: async (input, ctx) => {
    const { mode, reason } = await ctx.paths();
    const client = await ctx.runningClient();
    if (client === undefined) throw notRunning(mode);
    const told = await client.call("daemon.status", {}, { signal: ctx.signal });
    // Which daemon is this user's is decided on this side.
    const status = { ...told, mode, modeReason: reason };
    if (input.json) printJson(ctx, status);
    else ctx.out(renderRecord(ctx, statusRows(status, ctx.today())));
    return undefined;
  },
});

function statusRows(status: DaemonStatus, now: Date): [string, string][] {
  const idle =
    status.idleTimeoutMs === 0 ? "never" : `after ${Math.round(status.idleTimeoutMs / 1000)} s without work`;
  return [
    ["pid", String(status.pid)],
    ["version", `${status.version} (${status.commit})`],
    ["mode", `${status.mode} (${status.modeReason})`],
    ["socket", status.socket],
    ["log", status.logPath],
    ["state", status.stateDir],
    ["started", ago(status.startedAt, now)],
    ["memory", formatBytes(status.rssBytes)],
    ["vms", `${status.vmsRunning} running, ${status.vmsTotal} in all`],
    ...namesRow(status),
    ...driverRows(status),
    ["root disks", status.diskStrategy],
    ["ends itself", idle],
  ];
}

function namesRow({ names }: DaemonStatus): [string, string][] {
  if (names === undefined) return [];
  const { server, routed } = names;
  if (server === null) return [["names", "not served: see banger daemon logs"]];
  return [["names", `NAME.vm at ${server}${routed ? ", which systemd-resolved asks" : ""}`]];
}
