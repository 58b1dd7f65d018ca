/** The table on a terminal: keys in, lines out, and the terminal given back on every way out. */
import type { Context, Daemon } from "../context.ts";
import { Rates } from "../output/stats-cells.ts";
import { styleFor } from "../output/style.ts";
import { pause, seenEnough, watchMs } from "../output/watching.ts";
import { Actions } from "./actions.ts";
import { keysOf } from "./keys.ts";
import { LogPane } from "./log-pane.ts";
import { Screen } from "./screen.ts";
import { emptyTable, moved, type Row, selectedRow, type TableState, withRows } from "./state.ts";
import { type Look, logLines, tableLines } from "./view.ts";

export class Tui {
  #state: TableState = emptyTable;
  #log: LogPane | undefined;
  /** The terminal is somebody else's: a shell's of a guest, or the one that we were started from. */
  #away = false;
  readonly #screen: Screen;
  readonly #over = new AbortController();
  readonly #failed = Promise.withResolvers<never>();
  readonly #actions: Actions;
  readonly #job: ReturnType<Context["tty"]["onStop"]>;

  constructor(
    private readonly ctx: Context,
    private readonly client: Daemon,
  ) {
    this.#screen = new Screen(ctx.stdout);
    this.#failed.promise.catch(() => {});
    this.#actions = new Actions(ctx, client, (change) => this.#change(change));
    this.#job = ctx.tty.onStop(
      () => (this.#actions.inShell ? ctx.tty.setRaw(false) : this.#give()),
      () => this.#retake(),
    );
  }

  /** Until somebody leaves it. Throws what ended it otherwise. */
  async run(): Promise<void> {
    const { ctx } = this;
    const over = AbortSignal.any([ctx.signal, this.#over.signal]);
    const ended = new Promise<void>((resolve) => {
      over.addEventListener("abort", () => resolve(), { once: true });
      if (over.aborted) resolve();
    });
    const forgetSize = ctx.tty.onResize(() => {
      this.#screen.forget();
      this.#draw();
    });
    const onEnd = () => this.#over.abort();
    ctx.stdin.on("end", onEnd);
    try {
      this.#take();
      await Promise.race([ended, this.#look(over), this.#failed.promise]);
    } finally {
      forgetSize();
      this.#job.forget();
      ctx.stdin.off("end", onEnd);
      this.#log?.close();
      this.#give();
    }
    await this.#actions.finished();
    seenEnough(ctx);
  }

  /** One question to the daemon every two seconds, and none while nobody looks. */
  async #look(over: AbortSignal): Promise<void> {
    const rates = new Rates();
    while (!over.aborted) {
      if (!this.#away) {
        const stats = await this.client.call("vm.stats", { refs: [], guest: true }, { signal: over });
        const percents = rates.take(stats);
        const rows = stats.map((each) => ({ stats: each, cpuPercent: percents.get(each.vm.id) }));
        this.#change((state) => withRows(state, rows));
      }
      await pause(this.ctx, watchMs, over);
    }
  }

  #change(change: (state: TableState) => TableState): void {
    this.#state = change(this.#state);
    this.#draw();
  }

  #lookOf(): Look {
    return { ...this.ctx.tty.size(), style: styleFor(this.ctx.tty.stdout, this.ctx.env) };
  }

  #draw = (): void => {
    if (this.#away) return;
    const look = this.#lookOf();
    const log = this.#log;
    this.#screen.draw(
      log === undefined ? tableLines(this.#state, look) : logLines(log.lines, log.name, look),
    );
  };

  #take(): void {
    this.#away = false;
    this.ctx.tty.setRaw(true);
    this.ctx.tty.setScreen(true);
    this.ctx.stdin.on("data", this.#typed);
    this.ctx.stdin.resume();
    this.#screen.forget();
    this.#draw();
  }

  #give(): void {
    this.#away = true;
    this.ctx.stdin.off("data", this.#typed);
    this.ctx.stdin.pause();
    this.ctx.tty.setScreen(false);
    this.ctx.tty.setRaw(false);
  }

  /** Continued after a stop, during which the terminal may have been anybody's. */
  #retake(): void {
    if (this.#over.signal.aborted) return;
    if (this.#actions.inShell) {
      this.ctx.tty.setRaw(false);
      this.ctx.tty.setRaw(true);
    } else {
      this.#give();
      this.#take();
    }
  }

  #typed = (typed: Buffer): void => {
    try {
      for (const key of keysOf(typed.toString())) {
        const asked = this.#state.question;
        this.#press(key);
        // What was typed before a question was read does not answer it; and a shell gets its own keys.
        if (this.#away || (asked === undefined && this.#state.question !== undefined)) return;
      }
    } catch (error) {
      this.#failed.reject(error);
    }
  };

  #press(key: string): void {
    const { question, help } = this.#state;
    if (key === "quit") this.#over.abort();
    else if (key === "suspend") this.#job.stop();
    else if (key === "redraw") {
      this.#screen.forget();
      this.#draw();
    } else if (this.#log !== undefined) this.#pressInLog(this.#log, key);
    else if (question !== undefined) {
      const isYes = key === "y" || key === "Y";
      // Nobody has read yet what would be lost.
      if (isYes && question.lost === undefined) return;
      this.#change((state) => ({ ...state, question: undefined }));
      if (isYes) this.#actions.delete(question);
    } else if (help) this.#change((state) => ({ ...state, help: false }));
    else this.#pressInTable(key);
  }

  #pressInTable(key: string): void {
    const page = Math.max(1, this.ctx.tty.size().rows - 5);
    const steps: Record<string, number> = {
      ...{ up: -1, down: 1, "page-up": -page, "page-down": page },
      ...{ home: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY },
    };
    const step = steps[key];
    this.#state = { ...this.#state, message: "" };
    if (step !== undefined) this.#change((state) => moved(state, step));
    else if (key === "q") this.#over.abort();
    else if (key === "?") this.#change((state) => ({ ...state, help: true }));
    else {
      const vm = selectedRow(this.#state)?.stats.vm;
      if (vm !== undefined) this.#pressForVm(key, vm);
    }
  }

  #pressForVm(key: string, vm: Row["stats"]["vm"]): void {
    if (key === "enter" || key === "s") void this.#shell(vm);
    else if (key === "l") this.#openLog(vm);
    else if (key === "x") this.#actions.stop(vm);
    else if (key === "S") this.#actions.start(vm);
    else if (key === "d") void this.#actions.ask(vm);
  }

  async #shell(vm: { id: string; name: string; state: string }): Promise<void> {
    this.#give();
    try {
      const message = await this.#actions.shell(vm);
      this.#take();
      this.#change((state) => ({ ...state, message }));
    } catch (error) {
      this.#failed.reject(error);
    }
  }

  #openLog(vm: { id: string; name: string }): void {
    const log = new LogPane(this.client, vm, this.#draw);
    this.#log = log;
    void log.follow().then((message) => {
      if (message !== "") this.#change((state) => ({ ...state, message }));
    });
    this.#draw();
  }

  #pressInLog(log: LogPane, key: string): void {
    const room = Math.max(1, this.ctx.tty.size().rows - 2);
    const steps: Record<string, number> = { up: 1, down: -1, "page-up": room, "page-down": -room };
    if (key === "q" || key === "escape" || key === "l") {
      log.close();
      this.#log = undefined;
    } else if (key === "home") log.lines.scroll(Number.POSITIVE_INFINITY, room);
    else if (key === "end") log.lines.toEnd();
    else log.lines.scroll(steps[key] ?? 0, room);
    this.#draw();
  }
}
