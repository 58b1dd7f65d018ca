/** What comes between a VM that is up and its user's command: the repository's tools, and its own commands. */
import { Readable } from "node:stream";
import { BangerError } from "../../base/base.ts";
import type { PinnedTool } from "../../project/project.ts";
import type { Vm } from "../../rpc/contract.ts";
import { Quiet } from "../command.ts";
import type { Context, Daemon } from "../context.ts";
import { execInGuest } from "../guest/exec.ts";
import { statusOf } from "../interrupts.ts";
import { escapeLine } from "../output/escape.ts";
import script from "./tooling.sh" with { type: "text" };
import type { WorkspaceSource } from "./workspace.ts";

/** What the user came for. */
export type Purpose = "command" | "shell" | "detached";

/**
 * Installs the tools that the repository names, as far as this run is for it, then runs its post_create commands. Throws when
 * one of these fails; that the tools could not be installed is only said.
 */
export async function prepare(
  ctx: Context,
  client: Daemon,
  vm: Vm,
  { project, toolFiles, pinned, workspace }: WorkspaceSource,
  purpose: Purpose,
): Promise<void> {
  const commands = project?.settings.postCreate ?? [];
  const wanted = purpose !== "command" || project?.settings.bootstrap === true;
  const comes = toolFiles.length > 0 || workspace.tools === true;
  if (pinned.length > 0 && !comes && !vm.spec.nat)
    ctx.note(
      `${pinned.map(named).join(", ")} ${pinned.length === 1 ? "is" : "are"} asked for: with --nat mise installs ${pinned.length === 1 ? "it" : "them"} in the VM`,
    );
  if (comes && wanted) {
    // A shell need not wait for them; commands of the repository's own may need them.
    const background = purpose === "shell" && commands.length === 0;
    await bootstrap(ctx, client, vm, { toolFiles, pinned, workspace, background });
  }
  for (const [index, { shown, argv }] of commands.entries()) {
    ctx.err(`post_create: ${escapeLine(short(shown))}`);
    const status = await runAside(ctx, client, { ref: vm.id, argv });
    if (status === 0) continue;
    throw new BangerError(
      "operation_failed",
      `command ${index + 1} of ${commands.length} in post_create of ${project?.file} ended with status ${status}: ${short(shown)}`,
      {
        hint: [
          "what it said is above; to do without it: --no-project",
          ...(vm.ephemeral
            ? []
            : [`VM ${vm.name} stays: banger vm ssh ${vm.name}, or banger vm delete ${vm.name}`]),
        ].join("\n        "),
      },
    );
  }
}

function named({ tool, version, file }: PinnedTool): string {
  return `${tool} ${version} (${file})`;
}

/** Of a command that may be a whole script. */
function short(command: string): string {
  return command.length <= 200 ? command : `${command.slice(0, 200)}...`;
}

interface Bootstrap {
  toolFiles: readonly string[];
  pinned: readonly PinnedTool[];
  workspace: WorkspaceSource["workspace"];
  background: boolean;
}

async function bootstrap(
  ctx: Context,
  client: Daemon,
  vm: Vm,
  { toolFiles, pinned, workspace, background }: Bootstrap,
): Promise<void> {
  const log = toolingLog(workspace.hostPath);
  const how = background ? " in the background" : "";
  const network = vm.spec.nat ? "" : "; without --nat nothing can be fetched";
  const what = pinned.length > 0 ? pinned.map(named).join(", ") : `tools of ${toolFiles.join(", ")}`;
  ctx.err(`${what}: mise installs them${how}${network}; log in the VM: ${log}`);
  const argv = [
    "/bin/sh",
    "-c",
    script,
    "tooling",
    workspace.guestPath,
    log,
    // Without a network all it has to say is what it cannot reach, many times over.
    background ? "background" : vm.spec.nat ? "foreground" : "quiet",
    ...pinned.map(({ tool, version }) => `${tool}@${version}`),
  ];
  try {
    const status = await runAside(ctx, client, { ref: vm.id, argv, tools: false });
    if (status !== 0) ctx.err(`mise ended with status ${status}: the run goes on without what is missing`);
  } catch (error) {
    if (!(error instanceof BangerError) || error.code === "cancelled") throw error;
    ctx.err(`the tools are not installed: ${escapeLine(error.message)}`);
  }
}

/** Where a guest's shell finds it. The repository's name is anything that a directory can be called. */
export function toolingLog(hostPath: string): string {
  const name =
    hostPath
      .split("/")
      .at(-1)
      ?.replace(/[^A-Za-z0-9._-]/g, "_")
      .slice(0, 100) || "repo";
  return `/root/.cache/banger/vm-run-tooling-${name}.log`;
}

/** A command that is not the user's: no input, and what it says goes to stderr, whose stdout is the command's alone. */
async function runAside(
  ctx: Context,
  client: Daemon,
  command: Parameters<typeof execInGuest>[2],
): Promise<number> {
  // It may have come while nothing ran that would have taken it.
  if (ctx.signal.aborted) throw new BangerError("cancelled", "cancelled");
  const tty = { ...ctx.tty, stdin: false, stdout: false };
  const outcome = await execInGuest(
    { ...ctx, stdin: Readable.from([]), stdout: ctx.stderr, tty },
    client,
    command,
  );
  if ("interrupted" in outcome) throw new Quiet(statusOf(outcome.interrupted));
  // Its own end when the interrupt was handed on to it.
  if (outcome.status === statusOf("SIGINT") || outcome.status === statusOf("SIGTERM"))
    throw new Quiet(outcome.status);
  return outcome.status;
}
