/**
 * The map of commands: every word, and where its definition is. Definitions load only when they are called, which is
 * what keeps `banger vm list` quick.
 */
import type { Command, Example } from "./command.ts";

export interface Group {
  summary: string;
  details?: string;
  examples: readonly Example[];
  commands: Readonly<Record<string, Load>>;
  /** Other words for the same: alias -> command. */
  aliases?: Readonly<Record<string, string>>;
  hidden?: boolean;
}

export type Load = () => Promise<{ command: Command }>;

export const groups: Readonly<Record<string, Group>> = {
  vm: {
    summary: "run, enter and manage virtual machines",
    details:
      "start boots a VM that exists, stop powers it off in order, restart does both, pause halts it and resume lets it go on, suspend saves its memory and start goes on from there, kill ends it at once, delete removes it with its disks.",
    examples: [
      { command: "vm run ./repo -- make test", note: "a command on a repository, in a fresh VM" },
      { command: "vm run --rm", note: "a shell in a VM that goes away afterwards" },
      { command: "vm exec calm-otter -- uname -a", note: "a command in a running VM" },
      { command: "vm stop calm-otter", note: "power off; disks are kept" },
    ],
    commands: {
      run: () => import("./vm/run.ts"),
      create: () => import("./vm/create.ts"),
      start: () => import("./vm/start.ts"),
      stop: () => import("./vm/stop.ts"),
      restart: () => import("./vm/restart.ts"),
      pause: () => import("./vm/pause.ts"),
      resume: () => import("./vm/resume.ts"),
      suspend: () => import("./vm/suspend.ts"),
      fork: () => import("./vm/fork.ts"),
      snapshot: () => import("./vm/snapshot.ts"),
      set: () => import("./vm/set.ts"),
      kill: () => import("./vm/kill.ts"),
      delete: () => import("./vm/delete.ts"),
      list: () => import("./vm/list.ts"),
      show: () => import("./vm/show.ts"),
      stats: () => import("./vm/stats.ts"),
      ping: () => import("./vm/ping.ts"),
      ssh: () => import("./vm/ssh.ts"),
      exec: () => import("./vm/exec.ts"),
      cp: () => import("./vm/cp.ts"),
      ports: () => import("./vm/ports.ts"),
      "port-forward": () => import("./vm/port-forward.ts"),
      diff: () => import("./vm/diff.ts"),
      pull: () => import("./vm/pull.ts"),
      workspace: () => import("./vm/workspace.ts"),
      logs: () => import("./vm/logs.ts"),
      prune: () => import("./vm/prune.ts"),
    },
    aliases: { ls: "list", ps: "list", rm: "delete", health: "ping" },
  },
  image: {
    summary: "list, fetch, make and delete images",
    examples: [
      { command: "image list", note: "what there is" },
      { command: "image pull debian-bookworm", note: "build it now instead of at the first run" },
      { command: "image pull docker.io/library/alpine:3", note: "import a container image" },
    ],
    commands: {
      list: () => import("./image/list.ts"),
      show: () => import("./image/show.ts"),
      pull: () => import("./image/pull.ts"),
      build: () => import("./image/build.ts"),
      register: () => import("./image/register.ts"),
      promote: () => import("./image/promote.ts"),
      save: () => import("./image/save.ts"),
      delete: () => import("./image/delete.ts"),
      cache: () => import("./image/cache.ts"),
    },
    aliases: { ls: "list", rm: "delete" },
  },
  kernel: {
    summary: "list, fetch and remove kernels",
    examples: [
      { command: "kernel list --available", note: "what there is and what could be had" },
      { command: "kernel pull debian-cloud-6.1 --force", note: "fetch it again" },
    ],
    commands: {
      list: () => import("./kernel/list.ts"),
      show: () => import("./kernel/show.ts"),
      pull: () => import("./kernel/pull.ts"),
      import: () => import("./kernel/import.ts"),
      rm: () => import("./kernel/rm.ts"),
    },
    aliases: { ls: "list", remove: "rm", delete: "rm" },
  },
  template: {
    summary: "look after the templates that new VMs go on from, instead of booting",
    details: "banger makes them by itself, while nothing else goes on.",
    examples: [
      { command: "template list", note: "which there are, and what they take" },
      { command: "template prune", note: "remove them" },
    ],
    commands: {
      list: () => import("./template/list.ts"),
      prune: () => import("./template/prune.ts"),
    },
    aliases: { ls: "list" },
  },
  daemon: {
    summary: "look after bangerd, the daemon that owns the VMs",
    details:
      "The first command that needs it starts it, and it ends itself when it has nothing to do. VMs outlive it.",
    examples: [
      { command: "daemon status", note: "what it is and what it runs with" },
      { command: "daemon logs -f", note: "its log, as it grows" },
    ],
    commands: {
      status: () => import("./daemon/status.ts"),
      socket: () => import("./daemon/socket.ts"),
      stop: () => import("./daemon/stop.ts"),
      logs: () => import("./daemon/logs.ts"),
    },
  },
  system: {
    summary: "install banger's services, restart and remove them",
    details:
      "With them VMs run on Firecracker, on a bridge, and the services start with the host (VMs that ran are stopped then, and started by `banger vm start`); without them banger works too, as you. These commands need root, all others never do.",
    examples: [
      { command: "system install --owner alice", note: "services for alice's VMs (with sudo)" },
      { command: "system status", note: "what is installed, and whether it answers" },
    ],
    commands: {
      install: () => import("./system/install.ts"),
      status: () => import("./system/status.ts"),
      restart: () => import("./system/restart.ts"),
      uninstall: () => import("./system/uninstall.ts"),
    },
  },
  firecracker: {
    summary: "fetch Firecracker, the VMM of the supported path",
    examples: [{ command: "firecracker install", note: "firecracker and jailer, side by side" }],
    commands: { install: () => import("./firecracker/install.ts") },
  },
  internal: {
    summary: "for banger's own use",
    examples: [],
    hidden: true,
    commands: {
      connect: () => import("./internal/connect.ts"),
      complete: () => import("./internal/complete.ts"),
      man: () => import("./internal/man.ts"),
    },
  },
};

/** Commands without a group. */
export const topLevel: Readonly<Record<string, Load>> = {
  ps: () => import("./vm/list.ts"),
  events: () => import("./events.ts"),
  tui: () => import("./tui.ts"),
  df: () => import("./df.ts"),
  prune: () => import("./prune.ts"),
  init: () => import("./init.ts"),
  doctor: () => import("./doctor.ts"),
  update: () => import("./update.ts"),
  completion: () => import("./completion.ts"),
  "ssh-config": () => import("./ssh-config.ts"),
  version: () => import("./version.ts"),
};
