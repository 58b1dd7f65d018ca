/** What keys do to VMs. Each goes on while the table is shown; how it ended is said below it. */
import { toBangerError } from "../../base/base.ts";
import type { Vm } from "../../rpc/contract.ts";
import { Quiet } from "../command.ts";
import type { Context, Daemon } from "../context.ts";
import { execInGuest } from "../guest/exec.ts";
import { loginShell } from "../guest/login-shell.ts";
import { statusOf } from "../interrupts.ts";
import { escapeLine } from "../output/escape.ts";
import { unpulledWork } from "../workspace/unpulled.ts";
import { type Question, type TableState, withDoing, withVm } from "./state.ts";

interface Named {
  id: string;
  name: string;
}

export class Actions {
  readonly #under = new Map<string, { what: string; over: Promise<void> }>();
  inShell = false;

  constructor(
    private readonly ctx: Context,
    private readonly client: Daemon,
    private readonly change: (change: (state: TableState) => TableState) => void,
  ) {}

  stop(vm: Named & { state: string }): void {
    if (vm.state === "suspended") {
      // Too much for one key.
      const message = `${vm.name} is suspended: what runs in it would be lost; to stop it: banger vm stop ${vm.name}`;
      this.change((state) => ({ ...state, message }));
      return;
    }
    this.#do(vm, "stopping", (options) => this.client.call("vm.stop", { ref: vm.id }, options));
  }

  start(vm: Named): void {
    this.#do(vm, "starting", (options) => this.client.call("vm.start", { ref: vm.id }, options));
  }

  /** Whether to delete it: with the same lines as vm delete has, of what would be lost. */
  async ask(vm: Vm): Promise<void> {
    const lost = vm.workspace === null ? [] : undefined;
    const question: Question = { id: vm.id, name: vm.name, lost };
    this.change((state) => ({ ...state, question }));
    if (lost !== undefined) return;
    const lines = await unpulledWork(this.ctx, this.client, [vm]).catch((error: unknown) => [whyOf(error)]);
    this.change((state) =>
      state.question === question ? { ...state, question: { ...question, lost: lines } } : state,
    );
  }

  delete(vm: Named): void {
    this.#do(vm, "deleting", async (options) => {
      await this.client.call("vm.delete", { ref: vm.id }, options);
      return undefined;
    });
  }

  #do(
    { id, name }: Named,
    what: string,
    call: (options: { signal: AbortSignal }) => Promise<Vm | undefined>,
  ): void {
    if (this.#under.has(id)) return;
    const over = call({ signal: this.ctx.signal }).then(
      (vm) => this.#end(id, (state) => withVm(state, id, vm)),
      (error: unknown) => this.#end(id, (state) => ({ ...state, message: whyOf(error) })),
    );
    this.#under.set(id, { what: `${what} ${name}`, over });
    this.change((state) => withDoing({ ...state, message: "" }, id, what));
  }

  #end(id: string, change: (state: TableState) => TableState): void {
    this.#under.delete(id);
    this.change((state) => change(withDoing(state, id, undefined)));
  }

  /** A shell on the whole terminal, which is its own meanwhile. Resolves with what is to be said of its end. */
  async shell({ id, name, state }: Named & { state: string }): Promise<string> {
    if (state !== "running" && state !== "suspended" && state !== "starting")
      return `${name} is ${state}: S starts it`;
    const { ctx } = this;
    this.inShell = true;
    // A guest that is slow to bring its prompt shows nothing else meanwhile.
    ctx.err(ctx.style.dim(`a shell in ${escapeLine(name)}; its end leads back to the table`));
    try {
      const outcome = await execInGuest(ctx, this.client, { ref: id, argv: loginShell });
      // A signal from outside meant banger, not the shell.
      if ("interrupted" in outcome) throw new Quiet(statusOf(outcome.interrupted));
      return "";
    } catch (error) {
      if (error instanceof Quiet) throw error;
      return whyOf(error);
    } finally {
      this.inShell = false;
    }
  }

  /** What is under way when somebody leaves is not cut off; an interrupt does that. */
  async finished(): Promise<void> {
    const left = [...this.#under.values()];
    if (left.length === 0) return;
    this.ctx.err(`one moment: ${left.map(({ what }) => escapeLine(what)).join(", ")}`);
    await Promise.all(left.map(({ over }) => over));
  }
}

function whyOf(error: unknown): string {
  const { message, hint } = toBangerError(error);
  return hint === undefined ? message : `${message} (${hint})`;
}
