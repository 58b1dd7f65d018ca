/**
 * A report of `banger doctor` as people read it: a line for each check, then what to do, and at the end, where the eye is
 * when a terminal has scrolled, what it comes to.
 */
import { commit, version } from "../../base/version.ts";
import type { Report, Result, State } from "../../doctor/doctor.ts";
import { escapeLine } from "./escape.ts";
import { pieces } from "./notice.ts";
import type { Style } from "./style.ts";
import { wrapWords } from "./wrap.ts";

export interface ReportLook {
  verbose: boolean;
  style: Style;
  /** Of the terminal; undefined: lines may be as long as they want. */
  columns: number | undefined;
}

/** On fewer columns than this what a check says goes below its name. */
const roomBeside = 60;

export function renderReport(report: Report, look: ReportLook): string {
  const { results } = report;
  const idWidth = Math.max(...results.map(({ id }) => id.length));
  const blocks = [...new Set(results.map(({ group }) => group))].map((title) => {
    const own = results.filter(({ group }) => group === title);
    return [look.style.bold(title), ...own.flatMap((result) => lines(result, idWidth, look))].join("\n");
  });
  const { name } = report.distribution;
  const head = `banger ${version} (${commit}) on ${escapeLine(name)}, ${report.mode} mode`;
  return [
    wrapped(head, look.columns, 0).join("\n"),
    ...blocks,
    ...toDo(results, idWidth, look),
    ending(report, look),
  ].join("\n\n");
}

function lines({ id, state, summary, evidence }: Result, idWidth: number, look: ReportLook): string[] {
  const { style, verbose, columns } = look;
  const beside = columns === undefined || columns >= roomBeside;
  const indent = " ".repeat(beside ? 2 + 4 + 2 + idWidth + 2 : 8);
  const [first = "", ...more] = wrapped(escapeLine(summary), columns, indent.length);
  const shown = state === "skip" ? style.dim : (text: string) => text;
  const name = `  ${paint(state, style)(state.toUpperCase())}  `;
  return [
    ...(beside
      ? [`${name}${shown(id.padEnd(idWidth))}  ${shown(first)}`]
      : [name + shown(id), indent + shown(first)]),
    ...more.map((line) => indent + shown(line)),
    ...(verbose
      ? evidence.map(({ looked, found }) => style.dim(`${indent}${escapeLine(`${looked}: ${found}`)}`))
      : []),
  ];
}

function paint(state: State, style: Style): (text: string) => string {
  return { pass: style.green, warn: style.yellow, fail: style.red, skip: style.dim }[state];
}

/** Words that sentences have, and command lines before their comments have not. */
const sentence = /^(?!sudo |banger )[^#]*\b(?:an?|the|this|these|it|your?|as|are|and|in|out)\b(?=[ ,:])/;

/** Command lines are never broken: they are to be pasted. */
function stepLines(step: string, columns: number | undefined, indent: number): string[] {
  const text = escapeLine(step);
  if (columns === undefined || !sentence.test(text)) return [text];
  return wrapWords(pieces(text), columns - indent);
}

/** What fails comes first. */
function toDo(results: readonly Result[], idWidth: number, { style, columns }: ReportLook): string[] {
  const open = (["fail", "warn"] as const).flatMap((state) => results.filter((each) => each.state === state));
  const rows = open.flatMap(({ id, state, remedy }) => {
    const beside = columns === undefined || columns >= roomBeside;
    const indent = beside ? 2 + idWidth + 2 : 4;
    const steps = remedy.flatMap((step) => stepLines(step, columns, indent));
    const below = steps.map((line) => " ".repeat(indent) + line);
    if (steps.length === 0) return [];
    const name = `  ${paint(state, style)(beside ? id.padEnd(idWidth) : id)}`;
    return beside ? [`${name}  ${steps[0]}`, ...below.slice(1)] : [name, ...below];
  });
  return rows.length === 0 ? [] : [[style.bold("What to do"), ...rows].join("\n")];
}

function ending({ results, conclusion }: Report, { style, verbose, columns }: ReportLook): string {
  const counts = (["pass", "warn", "fail", "skip"] as const)
    .map((state) => [results.filter((each) => each.state === state).length, state.toUpperCase()] as const)
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${number} ${word}`)
    .join(", ");
  const colour = { yes: style.green, slowly: style.yellow, no: style.red }[conclusion.works];
  const more = verbose ? "docs/troubleshooting.md" : "banger doctor --verbose";
  return [
    ...wrapped(escapeLine(conclusion.text), columns, 0).map((line) => style.bold(colour(line))),
    ...wrapped(`${counts}. More: ${more}`, columns, 0).map(style.dim),
    ...(conclusion.next === null ? [] : [`Try it: ${conclusion.next}`]),
  ].join("\n");
}

function wrapped(text: string, columns: number | undefined, indent: number): string[] {
  return columns === undefined ? [text] : wrapWords(text, columns - indent);
}
