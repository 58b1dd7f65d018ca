/**
 * Progress of long calls, on stderr: a live region on a terminal, one plain line per finished stage elsewhere.
 *
 * The region is redrawn as a whole: cursor up, clear, write. Everything else that goes to stderr meanwhile goes
 * through `note`, so that it lands above the region. When it is over the region is gone and a summary may stay.
 */
import { formatBytes, formatDuration } from "../../base/base.ts";
import type { LifecycleEvent, StageEvent, TransferEvent } from "../../rpc/contract.ts";
import type { Context } from "../context.ts";
import { escapeLine, escapeText } from "./escape.ts";
import { stagePart, stageTitle } from "./stages.ts";

export interface Progress {
  /** For a call's onEvent; `subject` names the object where several run at once. */
  event(event: LifecycleEvent | TransferEvent, subject?: string): void;
  /** A line that stays. */
  note(line: string): void;
  /** Takes the region away; with a title the summary stays: "ready in 4.8s (kernel 1.2s, guest 3.6s)". */
  end(title?: string): void;
}

interface Active {
  title: string;
  startedMs: number;
  /** What it is doing within itself, if it says so, and since when. */
  detail: string | undefined;
  detailMs: number;
  last: StageEvent;
  /** When its amount grew last. */
  grewMs: number;
}

const frames = ["-", "\\", "|", "/"];
const redrawMs = 100;
/** Stages shorter than this are not worth a line of a log or a word of the summary. */
const briefMs = 100;
const shownAtOnce = 4;
/** Without a terminal: what is worth a line within a stage, and how often a long one shows that it lives. */
const detailWorthMs = 1000;
const heartbeatMs = 10_000;
const stalledMs = 2500;

type ProgressContext = Pick<
  Context,
  "err" | "note" | "stderr" | "style" | "tty" | "now" | "every" | "env" | "verbosity"
>;

export function startProgress(ctx: ProgressContext): Progress {
  const startedMs = ctx.now();
  // What is told of each call would be drawn over.
  const live = ctx.tty.stderr && ctx.env.TERM !== "dumb" && ctx.verbosity === "normal";
  const worthMs = ctx.verbosity === "verbose" ? 0 : briefMs;
  const active = new Map<string, Active>();
  const parts = new Map<string, number>();
  let countedMs = startedMs;
  let drawnLines = 0;
  let frame = 0;
  let ended = false;

  const erase = () => {
    if (drawnLines > 0) ctx.stderr.write(`\x1b[${drawnLines}A\r\x1b[0J`);
    drawnLines = 0;
  };
  const draw = () => {
    if (!live || ended) return;
    erase();
    const { columns } = ctx.tty.size();
    const lines = [...active.values()].slice(-shownAtOnce).map((stage, index) => {
      const spinner = index === 0 ? frames[frame % frames.length] : " ";
      const line = (name: string) =>
        `${spinner} ${name} ${formatDuration(ctx.now() - stage.startedMs)}${amount(stage, ctx.now())}`;
      const whole = line(fullName(stage));
      const text = whole.length < columns ? whole : line(stage.detail ?? stage.title);
      return text.slice(0, Math.max(10, columns - 1));
    });
    if (lines.length > 0) ctx.stderr.write(`${lines.map((line) => ctx.style.dim(line)).join("\n")}\n`);
    drawnLines = lines.length;
  };
  const heartbeat = () => {
    for (const stage of active.values()) {
      // Of what the line names: its end will be told by the same clock.
      const ms = ctx.now() - stage.detailMs;
      if (ms >= heartbeatMs)
        ctx.note(`${fullName(stage)}: ${formatDuration(ms)} so far${amount(stage, ctx.now())}`);
    }
  };
  const stopTicking = live
    ? ctx.every(redrawMs, () => {
        frame += 1;
        draw();
      })
    : ctx.every(heartbeatMs, heartbeat);
  const note = (line: string) => {
    erase();
    ctx.err(line);
    draw();
  };

  /** Stages overlap (a workspace is sent while its guest boots), and a moment counts once: for what began last. */
  const count = () => {
    const stage = [...active.values()].at(-1);
    const nowMs = ctx.now();
    if (stage !== undefined) {
      const part = stagePart(stage.last.stage);
      parts.set(part, (parts.get(part) ?? 0) + nowMs - countedMs);
    }
    countedMs = nowMs;
  };
  const finish = (event: StageEvent, key: string, stage: Active) => {
    const ms = event.ms ?? ctx.now() - stage.startedMs;
    active.delete(key);
    if (!live && ms >= worthMs) ctx.note(`${stage.title}: ${formatDuration(ms)}`);
  };
  /** A stage that says it does something else now has finished what it did before. */
  const changeDetail = (stage: Active, detail: string) => {
    const ms = ctx.now() - stage.detailMs;
    if (!live && stage.detail !== undefined && ms >= detailWorthMs) {
      ctx.note(`${fullName(stage)}: ${formatDuration(ms)}`);
    }
    stage.detail = detail;
    stage.detailMs = ctx.now();
  };
  const begin = (event: StageEvent, subject: string | undefined): Active => {
    const because = event.because === undefined ? "" : ` (${brief(escapeLine(event.because))})`;
    const title = stageTitle(event.stage) + because;
    const startedMs = ctx.now();
    const named = subject === undefined ? title : `${escapeLine(subject)}: ${title}`;
    return {
      title: named,
      startedMs,
      detail: undefined,
      detailMs: startedMs,
      last: event,
      grewMs: startedMs,
    };
  };

  return {
    note,
    event(event, subject) {
      if (ended) return;
      if (event.kind === "warning") note(`${ctx.style.bold("warning:")} ${escapeText(event.message)}`);
      if (event.kind !== "stage") return;
      count();
      const key = `${subject ?? ""} ${event.stage}`;
      const known = active.get(key);
      const stage = known ?? begin(event, subject);
      const detail = event.message === undefined ? undefined : brief(escapeLine(event.message));
      if (detail !== undefined && detail !== stage.detail) changeDetail(stage, detail);
      if (event.done !== stage.last.done) stage.grewMs = ctx.now();
      stage.last = event;
      if (event.status === "done") finish(event, key, stage);
      else active.set(key, stage);
      // Boot stages follow each other within milliseconds: the clock redraws, not each event.
      if (event.status === "begin" && known === undefined && drawnLines === 0) draw();
    },
    end(title) {
      if (ended) return;
      erase();
      ended = true;
      stopTicking();
      if (title === undefined) return;
      const line = `${title} in ${formatDuration(ctx.now() - startedMs)}`;
      const whole = line + summary(parts);
      // Where it would be broken in the middle of a word, the parts are left out.
      ctx.note(ctx.style.dim(live && whole.length >= ctx.tty.size().columns ? line : whole));
    },
  };
}

/** What others say of their work may be a whole command line. */
function brief(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function fullName({ title, detail }: Active): string {
  return detail === undefined ? title : `${title}: ${detail}`;
}

function summary(parts: ReadonlyMap<string, number>): string {
  const worth = [...parts].filter(([, ms]) => ms >= briefMs);
  if (worth.length === 0) return "";
  return ` (${worth.map(([part, ms]) => `${part} ${formatDuration(ms)}`).join(", ")})`;
}

/** " [####----] 12M / 80M 4.1M/s", as far as it is known. */
function amount({ last, startedMs, grewMs }: Active, nowMs: number): string {
  const { done, total, unit } = last;
  if (done === undefined) return "";
  const show = (value: number) => (unit === "items" ? String(value) : formatBytes(value));
  const seconds = (nowMs - startedMs) / 1000;
  // A transfer that waits for the other side has no rate.
  const moving = unit !== "items" && seconds >= 0.5 && nowMs - grewMs < stalledMs;
  const rate = moving ? ` ${formatBytes(Math.round(done / seconds))}/s` : "";
  if (total === undefined || total <= 0) return ` ${show(done)}${rate}`;
  return ` ${bar(done / total)} ${show(done)} / ${show(total)}${rate}`;
}

function bar(fraction: number): string {
  const cells = 20;
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * cells);
  return `[${"#".repeat(full)}${"-".repeat(cells - full)}]`;
}
