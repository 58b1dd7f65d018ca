/**
 * vm run, from nothing to a command's status: the repository is checked while the daemon is dialled, packed and sent
 * while the guest boots; what must not stay is removed whatever happens.
 */
import { BangerError, toBangerError } from "../../base/base.ts";
import type { Project } from "../../project/project.ts";
import type { Vm } from "../../rpc/contract.ts";
import type { Context, Daemon } from "../context.ts";
import { type ExecOutcome, execInGuest } from "../guest/exec.ts";
import type { Forwards } from "../guest/forward.ts";
import type { ForwardSpec } from "../guest/forward-spec.ts";
import { loginShell } from "../guest/login-shell.ts";
import { errorLines } from "../output/errors.ts";
import { type Progress, startProgress } from "../output/progress.ts";
import { planVm, type SpecInput, type VmPlan } from "../vm/spec.ts";
import { importWorkspace, PackFailed } from "./import.ts";
import type { WorkspaceSource } from "./workspace.ts";

export interface RunPlan {
  spec: SpecInput;
  /** Opens and checks the repository; undefined when there is none to copy. */
  workspace: (() => Promise<WorkspaceSource>) | undefined;
  /** Undefined: a login shell. */
  argv: readonly string[] | undefined;
  /** Who it runs as. Undefined: the image's user, or root in a workspace. */
  user?: string | undefined;
  /** Only bring it up and make it ready: no command, and no shell. */
  detach?: boolean;
  /** What is done with the VM when its command has ended with 0. */
  afterwards?: (client: Daemon, vm: Vm) => Promise<void>;
  /** Delete the VM afterwards. */
  remove: boolean;
  /** It becomes an image, and gets nothing of the user's own. */
  bare?: boolean;
  /** Ports of this host that lead into it for as long as the command or shell lasts. */
  publish?: readonly ForwardSpec[];
}

export type RunOutcome = ExecOutcome & { vm: Vm };

const removeBudgetMs = 10_000;

export async function runVm(ctx: Context, plan: RunPlan): Promise<RunOutcome> {
  const forwards: Forwards[] = [];
  try {
    return await runIn(ctx, plan, forwards);
  } finally {
    for (const each of forwards) each.close();
  }
}

async function runIn(ctx: Context, plan: RunPlan, forwards: Forwards[]): Promise<RunOutcome> {
  const { publish: published = [] } = plan;
  // A port that is in use is said before there is a VM, and before anything is packed.
  if (published.length > 0)
    forwards.push(...(await (await import("./ports.ts")).openPublished(ctx, published)));
  const opening = plan.workspace?.();
  try {
    const [source, client] = await Promise.all([opening, ctx.client()]);
    const project = source?.project;
    if (project !== undefined && plan.detach !== true) {
      const { openAskedFor } = await import("./ports.ts");
      forwards.push(...(await openAskedFor(ctx, project.file, project.settings.ports, published)));
    }
    // Nobody stays who could hold them open.
    const unled = plan.detach === true ? (project?.settings.ports ?? []) : [];
    const how = {
      ...(source === undefined ? {} : { workspace: true }),
      ...(plan.bare === true ? { bare: true } : {}),
    };
    const { spec, told } = await specFor(plan.spec, project);
    const notices = [...told, ...(source?.notices ?? [])];
    const asked = { start: true, ephemeral: plan.remove, ...how };
    const planned = await planVm(ctx, client, spec, asked, notices);
    const progress = startProgress(ctx);
    const vm = await bringUp(ctx, client, planned, source, progress);
    source?.close();
    progress.end(`${vm.name} ready${vm.start?.how === "warm" ? " (warm)" : ""}`);
    for (const each of forwards) {
      each.leadTo({ client, ref: vm.id });
      for (const { at, guestPort } of each.open) ctx.err(`${at} -> ${vm.name}:${guestPort}`);
    }
    const outcome = await useVm(ctx, client, vm, plan, source);
    if (unled.length > 0) {
      const ports = unled.map(({ host, guest }) => `${host}:${guest}`).join(" ");
      ctx.note(`its ports do not lead there yet: banger vm port-forward ${vm.name} ${ports}`);
    }
    return outcome;
  } finally {
    // Whatever failed first, a packing that has begun is ended.
    const source = await opening?.catch(() => undefined);
    source?.close();
  }
}

/** What the user came for in a VM that is up, and the VM's removal if it was asked for. */
async function useVm(
  ctx: Context,
  client: Daemon,
  vm: Vm,
  plan: RunPlan,
  source: WorkspaceSource | undefined,
): Promise<RunOutcome> {
  try {
    if (source !== undefined) await prepareFor(ctx, client, vm, plan, source);
    return plan.detach ? { status: 0, vm } : await enter(ctx, client, vm, plan);
  } finally {
    if (plan.remove) await removeVm(ctx, client, vm, { soon: true });
  }
}

/** The command or shell, and what follows it. */
async function enter(ctx: Context, client: Daemon, vm: Vm, plan: RunPlan): Promise<RunOutcome> {
  try {
    // A shell has mise's own hook: no need to start it twice.
    const command =
      plan.argv === undefined ? { argv: loginShell, tools: false as const } : { argv: plan.argv };
    const outcome = await execInGuest(ctx, client, { ref: vm.id, user: plan.user, ...command });
    if ("status" in outcome && outcome.status === 0) await plan.afterwards?.(client, vm);
    return { ...outcome, vm };
  } catch (error) {
    // Whoever powers the guest off from its own shell has lost nothing.
    const left = plan.argv === undefined ? await stateOf(client, vm) : undefined;
    if (left?.state !== "stopped") throw error;
    return { status: 0, vm: left };
  }
}

/** Loads what knows of projects, and with it the repo room, only where there is one. */
async function specFor(
  spec: SpecInput,
  project: Project | undefined,
): Promise<{ spec: SpecInput; told: string[] }> {
  if (project === undefined) return { spec, told: [] };
  const { projectNotices, withProject } = await import("./project-spec.ts");
  return { spec: withProject(spec, project), told: projectNotices(project) };
}

/** Loads what prepares only for a repository that wants something prepared. */
async function prepareFor(
  ctx: Context,
  client: Daemon,
  vm: Vm,
  plan: RunPlan,
  source: WorkspaceSource,
): Promise<void> {
  const { project, toolFiles, pinned } = source;
  if (project === undefined && toolFiles.length + pinned.length === 0) return;
  const { prepare } = await import("./prepare.ts");
  await prepare(
    ctx,
    client,
    vm,
    source,
    plan.detach ? "detached" : plan.argv === undefined ? "shell" : "command",
  );
}

/** Creates, boots and fills a VM. When that fails or is interrupted, leaves one only if its logs say why. */
async function bringUp(
  ctx: Context,
  client: Daemon,
  { params, announce }: VmPlan,
  source: WorkspaceSource | undefined,
  progress: Progress,
): Promise<Vm> {
  const stop = new AbortController();
  const signal = AbortSignal.any([ctx.signal, stop.signal]);
  let reserved: Vm | undefined;
  let importing: Promise<void> | undefined;
  let importFailure: unknown;
  try {
    const vm = await client.call("vm.create", params, {
      signal,
      onEvent: (event) => {
        announce();
        progress.event(event);
        if (event.kind !== "reserved") return;
        reserved = event.vm;
        if (source === undefined) return;
        importing = importWorkspace(client, event.vm.id, source, { signal, progress, now: ctx.now });
        importing.catch((error) => {
          importFailure = error;
          if (error instanceof PackFailed) stop.abort();
        });
      },
    });
    announce();
    await importing;
    if (ctx.signal.aborted) throw new BangerError("cancelled", "cancelled");
    return vm;
  } catch (error) {
    stop.abort();
    await Promise.allSettled([importing]);
    progress.end();
    const packFailure = importFailure instanceof PackFailed ? importFailure.cause : undefined;
    if (reserved === undefined) {
      if (ctx.signal.aborted) ctx.err("interrupted: no VM was made");
      throw packFailure ?? error;
    }
    if (ctx.signal.aborted || packFailure !== undefined) {
      await removeVm(ctx, client, reserved);
      if (ctx.signal.aborted) ctx.err(`interrupted: VM ${reserved.name} is taken back`);
      throw packFailure ?? new BangerError("cancelled", "cancelled");
    }
    throw await withWaysOn(client, reserved, error, params.ephemeral);
  }
}

/** The VM as it is now; undefined when it is gone or nobody can say. */
function stateOf(client: Daemon, vm: Vm): Promise<Vm | undefined> {
  return client.call("vm.show", { ref: vm.id }).catch(() => undefined);
}

/** Points at the logs, if there still is a VM that has some, and says that it stays where it was to go. */
async function withWaysOn(client: Daemon, vm: Vm, error: unknown, unexpected: boolean): Promise<BangerError> {
  const failure = toBangerError(error);
  if ((await stateOf(client, vm)) === undefined) return failure;
  const logs = `see what it says: banger vm logs ${vm.name}`;
  const kept = `it is kept for that; when you have seen it: banger vm delete ${vm.name}`;
  const hints = [
    ...(failure.hint === undefined ? [] : [failure.hint]),
    ...(failure.hint?.includes("vm logs") === true ? [] : [logs]),
    ...(unexpected ? [kept] : []),
  ];
  return new BangerError(failure.code, failure.message, {
    hint: hints.join("\n        "),
    details: failure.details,
    opId: failure.opId,
    cause: error,
  });
}

/** Deletes with a budget of its own: interrupts do not shorten it, and its failure does not change the outcome. */
async function removeVm(ctx: Context, client: Daemon, vm: Vm, how: { soon?: true } = {}): Promise<void> {
  const release = ctx.takeInterrupts(() => ctx.err(`deleting VM ${vm.name}, one moment`));
  const budget = AbortSignal.timeout(removeBudgetMs);
  try {
    await client.call("vm.delete", { ref: vm.id, ...how }, { signal: budget });
  } catch (error) {
    const failure = toBangerError(error);
    // The daemon was quicker: it deletes what was cancelled.
    if (failure.code === "not_found") return;
    const told =
      failure.code === "unavailable"
        ? new BangerError(failure.code, `bangerd ended before VM ${vm.name} was deleted`, {
            hint: "see whether the next one has done so: banger vm list",
          })
        : new BangerError(failure.code, `VM ${vm.name} is not deleted: ${failure.message}`, {
            hint: `try again: banger vm delete ${vm.name}`,
            opId: failure.opId,
          });
    for (const line of errorLines(told, ctx)) ctx.err(line);
  } finally {
    release();
  }
}
