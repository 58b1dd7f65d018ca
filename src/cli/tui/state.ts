/** What the table shows, as a value: each change makes another one. */
import type { VmStats } from "../../rpc/contract.ts";

export interface Row {
  stats: VmStats;
  cpuPercent: number | undefined;
}

/** The VM whose deletion is asked for. */
export interface Question {
  id: string;
  name: string;
  /** What would be lost with it, a line for each; undefined while its guest is asked. */
  lost: readonly string[] | undefined;
}

export interface TableState {
  /** Undefined until they are known. */
  rows: readonly Row[] | undefined;
  /** The id of the VM that keys are about. */
  selected: string | undefined;
  help: boolean;
  question: Question | undefined;
  /** What is being done, by the VM's id: "stopping". */
  doing: ReadonlyMap<string, string>;
  /** How the last thing that was done went; empty: well. */
  message: string;
}

export const emptyTable: TableState = {
  rows: undefined,
  selected: undefined,
  help: false,
  question: undefined,
  doing: new Map(),
  message: "",
};

/** The next look. The VM that was selected stays it; when it has gone, its neighbour is. */
export function withRows(state: TableState, rows: readonly Row[]): TableState {
  const ids = rows.map(({ stats }) => stats.vm.id);
  const stays = ids.find((id) => id === state.selected);
  const before = state.rows?.findIndex(({ stats }) => stats.vm.id === state.selected) ?? 0;
  const neighbour = ids[Math.max(0, Math.min(before, ids.length - 1))];
  const question = ids.some((id) => id === state.question?.id) ? state.question : undefined;
  return { ...state, rows, selected: stays ?? neighbour, question };
}

export function selectedRow({ rows, selected }: TableState): Row | undefined {
  return rows?.find(({ stats }) => stats.vm.id === selected);
}

/** The selection so many rows further; it stays within the table. */
export function moved(state: TableState, by: number): TableState {
  const rows = state.rows ?? [];
  const index = rows.findIndex(({ stats }) => stats.vm.id === state.selected);
  const next = rows[Math.max(0, Math.min(rows.length - 1, index + by))];
  return next === undefined ? state : { ...state, selected: next.stats.vm.id };
}

/** What is known of a VM before the next look: what a call answered; undefined when it is gone. */
export function withVm(state: TableState, id: string, vm: VmStats["vm"] | undefined): TableState {
  const rows = state.rows?.flatMap((row) => {
    if (row.stats.vm.id !== id) return [row];
    if (vm === undefined) return [];
    const gone = vm.pid === null ? { host: null, guest: null, uptimeMs: null } : {};
    return [{ ...row, stats: { ...row.stats, vm, ...gone } }];
  });
  return rows === undefined ? state : withRows(state, rows);
}

export function withDoing(state: TableState, id: string, what: string | undefined): TableState {
  const doing = new Map(state.doing);
  if (what === undefined) doing.delete(id);
  else doing.set(id, what);
  return { ...state, doing };
}
