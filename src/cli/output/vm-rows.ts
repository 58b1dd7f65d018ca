/** A VM's record as people read it. What is the same for every VM that is well is left out. */
import { formatBytes } from "../../base/base.ts";
import type { Vm } from "../../rpc/contract.ts";
import { ago } from "./when.ts";

export function vmRows(vm: Vm, now: Date): [string, string][] {
  const { spec, workspace, channel } = vm;
  const size = [
    `${spec.vcpu} vcpu`,
    `${spec.memoryMiB} MiB`,
    `${formatBytes(spec.diskBytes)} at /root`,
    `${formatBytes(spec.overlayBytes)} at /`,
  ];
  return [
    ["name", vm.name],
    ["id", vm.id],
    ["state", stateWords(vm)],
    ...some("because", vm.lastError),
    ["image", named(vm.image)],
    ["kernel", named(vm.kernel)],
    ["size", size.join(", ")],
    ["network", `${spec.nat ? "may reach the network outside" : "none outside"}${addressOf(vm)}`],
    ["runs on", vm.pid === null ? vm.driver : `${vm.driver}, process ${vm.pid}`],
    ...some("workspace", workspace && `${workspace.guestPath}, from ${workspace.hostPath}`),
    ...some("started", vm.startedAt && `${ago(vm.startedAt, now)}${startWords(vm)}`),
    ...some("used", vm.usedAt && ago(vm.usedAt, now)),
    ...some("talked to", channel?.by === "ssh" ? `by ssh: ${channel.because ?? ""}` : null),
    ...costRows(vm),
    ["console log", vm.consoleLog],
    ["created", ago(vm.createdAt, now)],
    ...some("goes away", vm.ephemeral ? "with the command that made it" : null),
  ];
}

function some(key: string, value: string | null): [string, string][] {
  return value === null || value === "" ? [] : [[key, value]];
}

function stateWords({ asleep, state }: Vm): string {
  return asleep ? "asleep: the next exec, ssh or connection lets it go on" : state;
}

function named({ id, name }: Vm["image"]): string {
  return name === "" ? `${id} (its name is another's by now)` : name;
}

function addressOf({ ip }: Vm): string {
  return ip === null ? "" : `; its address is ${ip}`;
}

function startWords({ start }: Vm): string {
  if (start === null) return "";
  if (start.how === "cold") return `: booted, because ${start.why}`;
  return start.how === "warm" ? `: went on from template ${start.template}` : `: went on (${start.from})`;
}

function costRows({ cost, layer }: Vm): [string, string][] {
  const used = ({ ownBytes, sharedBytes }: { ownBytes: number; sharedBytes: number }) =>
    `${formatBytes(ownBytes)}${sharedBytes === 0 ? "" : `, and ${formatBytes(sharedBytes)} shared`}`;
  return [
    ...some("host memory", cost?.memory ? used(cost.memory) : null),
    ...some("host disk", cost && used(cost.disk)),
    ...some(
      "system disk",
      layer &&
        (layer.overflowed
          ? "has run full and is lost"
          : `${formatBytes(layer.usedBytes)} written, of ${formatBytes(layer.totalBytes)}`),
    ),
  ];
}
