/** A state as the lines of a screen: never more of them than it has, none longer than it is wide, nothing in them that it obeys. */
import { escapeLine } from "../output/escape.ts";
import { statsCells, statsExpendable, statsHeader } from "../output/stats-cells.ts";
import type { Style } from "../output/style.ts";
import { fitting, renderTableFor } from "../output/table.ts";
import { wrapWords } from "../output/wrap.ts";
import type { LogLines } from "./log-lines.ts";
import type { Question, Row, TableState } from "./state.ts";

export interface Look {
  columns: number;
  rows: number;
  style: Style;
}

/** With fewer lines the title and the keys give way to VMs. */
const leastRows = 6;
const keys = "enter shell  l logs  x stop  S start  d delete  ? help  q quit";
const fewKeys = "? help  q quit";

export function tableLines(state: TableState, look: Look): string[] {
  const { columns, rows, style } = look;
  const fit = (text: string) => fitting(text, columns);
  const roomy = rows >= leastRows;
  const headed = !state.help && Boolean(state.rows?.length);
  const foot = footOf(state, look);
  const frame = (roomy ? 2 + (headed ? 1 : 0) : 0) + foot.length;
  const body = state.help ? helpLines(columns) : bodyOf(state, look);
  const header = headed ? [style.bold(fit(body[0] ?? ""))] : [];
  const content = header.length > 0 ? body.slice(1) : body;
  const room = Math.max(1, rows - frame);
  const selected = state.help ? -1 : indexOf(state);
  const from = Math.max(0, Math.min(selected - Math.floor(room / 2), content.length - room));
  const shown = content.slice(from, from + room).map((line, index) => {
    const text = fit(line);
    return from + index === selected ? style.invert(text.padEnd(columns)) : text;
  });
  if (!roomy) return [...shown.slice(0, rows - frame), ...foot];
  const blank = Array<string>(Math.max(0, room - shown.length)).fill("");
  return [style.bold(fit(titleOf(state))), ...header, ...shown, ...blank, "", ...foot];
}

function titleOf({ rows }: TableState): string {
  if (rows === undefined) return "banger: looking";
  const running = rows.filter(({ stats }) => stats.host !== null).length;
  return `banger: ${rows.length} ${rows.length === 1 ? "VM" : "VMs"}, ${running} running`;
}

function indexOf({ rows, selected }: TableState): number {
  return rows?.findIndex(({ stats }) => stats.vm.id === selected) ?? -1;
}

/** The header's line first, where there are VMs. */
function bodyOf({ rows, selected, doing }: TableState, { columns, rows: height }: Look): string[] {
  if (rows === undefined) return [];
  if (rows.length === 0) return ["", "there are no VMs; make one: banger vm run"];
  const cells = rows.map((row) => [
    // Without colour this is what shows it.
    row.stats.vm.id === selected ? ">" : "",
    row.stats.vm.name,
    stateOf(row, doing),
    ...statsCells(row.stats, row.cpuPercent),
  ]);
  const screen = { tty: { stdout: true, size: () => ({ columns, rows: height }) } };
  const expendable = [...statsExpendable, "MEM", "CPU"];
  return renderTableFor(screen, ["", "NAME", "STATE", ...statsHeader], cells, expendable).split("\n");
}

function stateOf({ stats }: Row, doing: TableState["doing"]): string {
  return doing.get(stats.vm.id) ?? (stats.vm.asleep ? "asleep" : stats.vm.state);
}

function footOf({ question, message }: TableState, { columns, rows, style }: Look): string[] {
  const roomy = rows >= leastRows;
  if (question !== undefined) {
    // One line of the table stays, and what encloses it.
    const room = Math.max(1, rows - (roomy ? 4 : 1));
    const asking = wrapWords(asked(question), columns).slice(-room);
    const losing = (question.lost ?? []).flatMap((line) => wrapWords(line, columns));
    return [...losing.slice(0, room - asking.length), ...asking].map((line) =>
      style.yellow(fitting(line, columns)),
    );
  }
  if (message !== "") return [style.red(fitting(escapeLine(message), columns))];
  return roomy ? [style.dim(fitting(keys.length <= columns ? keys : fewKeys, columns))] : [];
}

function asked({ name, lost }: Question): string {
  const what = `delete ${escapeLine(name)} with its disks`;
  if (lost === undefined) return `${what}? One moment: it is asked what it has [n]`;
  return `${what}${lost.length > 0 ? " all the same" : ""}? [y/n]`;
}

const helps = [
  ["up, down, k, j", "choose a VM"],
  ["enter, s", "a shell in it; its end leads back here"],
  ["l", "what its console says"],
  ["x", "stop it, in order; its disks are kept"],
  ["S", "start it"],
  ["d", "delete it with its disks, after a question"],
  ["Ctrl-Z", "back to the shell for a while; fg comes back"],
  ["q, Ctrl-C", "leave; VMs run on"],
] as const;
const helpIndent = 17;
/** On fewer columns than this what a key does goes below it. */
const roomBeside = 40;

function helpLines(columns: number): string[] {
  const lines = helps.flatMap(([key, does]) => {
    if (columns < roomBeside) return [key, ...wrapWords(does, columns - 2).map((line) => `  ${line}`)];
    return wrapWords(does, columns - helpIndent).map(
      (line, index) => (index === 0 ? key : "").padEnd(helpIndent) + line,
    );
  });
  return ["", ...lines, "", "any key: back"];
}

export function logLines(log: LogLines, name: string, { columns, rows, style }: Look): string[] {
  const fit = (text: string) => fitting(text, columns);
  const room = Math.max(1, rows - 2);
  const said = log.last(room);
  const lines = said.length > 0 ? said : ["(nothing was written yet)"];
  const title = style.bold(fit(`console of ${escapeLine(name)}`));
  if (rows < 3) return lines.slice(-rows).map(fit);
  const foot = log.isAtEnd ? "up, down, page up  scroll  q back" : "end  follow again  q back";
  return [
    title,
    ...lines.map(fit),
    ...Array<string>(Math.max(0, room - lines.length)).fill(""),
    style.dim(fit(foot)),
  ];
}
