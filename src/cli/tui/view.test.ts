/** States as lines: what fits is there, and nothing is wider or higher than the screen. */
import { describe, expect, test } from "bun:test";
import { VmId, type VmName } from "../../base/ids.ts";
import { statsHeader } from "../output/stats-cells.ts";
import { styleFor } from "../output/style.ts";
import { fakeStats } from "../testing/fake-stats.ts";
import { keysOf } from "./keys.ts";
import { LogLines } from "./log-lines.ts";
import { Screen } from "./screen.ts";
import { emptyTable, moved, type Row, selectedRow, type TableState, withDoing, withRows } from "./state.ts";
import { logLines, tableLines } from "./view.ts";

const plain = styleFor(false, {});
const look = (columns: number, rows: number) => ({ columns, rows, style: plain });
const id = (index: number) => VmId.parse(`3f2a91c0-5b7e-4d21-9c3a-${String(index).padStart(12, "0")}`);
const rowsOf = (count: number): Row[] =>
  Array.from({ length: count }, (_, index) => ({
    stats: fakeStats(`otter-${index}`, {}, { id: id(index) }),
    cpuPercent: 1.25,
  }));
const many = withRows(emptyTable, rowsOf(40));

describe("the table as lines", () => {
  test("is whole where there is room", () => {
    expect(tableLines(withRows(emptyTable, rowsOf(1)), look(100, 7))).toEqual([
      "banger: 1 VM, 1 running",
      "   NAME     STATE    CPU   MEM   GUEST MEM    LOAD  DISK      NET IN/OUT  UPTIME",
      `${">  otter-0  running  1.3%  200M  200M / 900M  0.50  4M / 16G  -           2h30m"}`.padEnd(100),
      ...["", "", ""],
      "enter shell  l logs  x stop  S start  d delete  ? help  q quit",
    ]);
  });

  test("never is wider or higher than the screen, and always shows what is chosen", () => {
    const states: TableState[] = [
      ...[emptyTable, withRows(emptyTable, []), many, moved(many, 25)],
      { ...moved(many, 39), help: true },
      { ...many, question: { id: "x", name: "otter", lost: [] }, message: "failed" },
      { ...many, question: { id: "x", name: "otter", lost: ["otter has changes ".repeat(9), "more"] } },
      { ...many, message: "m".repeat(500) },
    ];
    for (const state of states)
      for (const columns of [1, 2, 5, 17, 45, 80, 300])
        for (const rows of [1, 2, 3, 5, 6, 7, 24]) {
          const lines = tableLines(state, look(columns, rows));
          expect(lines.length).toBeLessThanOrEqual(rows);
          for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
          const chosen = selectedRow(state);
          const isRead = rows === 1 && (state.question !== undefined || state.message !== "");
          if (chosen !== undefined && !state.help && columns > 20 && !isRead)
            expect(lines.join("\n")).toContain(`>  ${chosen.stats.vm.name}`);
        }
  });

  test("loses columns before names", () => {
    expect(tableLines(many, look(30, 8))[1]).toBe("   NAME      STATE    CPU");
  });

  test.each([80, 79, 60, 50])("cuts no heading and no cell in %d columns", (columns) => {
    const wide = rowsOf(2).map((row) => ({ ...row, cpuPercent: 103 }));
    const [header = "", chosen = "", other = ""] = tableLines(
      withRows(emptyTable, wide),
      look(columns, 24),
    ).slice(1);
    const known = ["NAME", "STATE", ...statsHeader];
    for (const heading of header.trim().split(/ {2,}/)) expect(known).toContain(heading);
    const whole = tableLines(withRows(emptyTable, wide), look(300, 24));
    for (const [line, all = ""] of [[chosen, whole[2]] as const, [other, whole[3]] as const])
      for (const cell of line.trim().split(/ {2,}/)) expect(all.trim().split(/ {2,}/)).toContain(cell);
  });

  test("says all of its keys where it is narrow", () => {
    const lines = tableLines({ ...many, help: true }, look(50, 20));
    expect(lines.join(" ").replace(/ +/g, " ")).toContain("back to the shell for a while; fg comes back");
    expect(lines).toContain("                 comes back");
    expect(tableLines({ ...many, help: true }, look(30, 30))).toContain("  a shell in it; its end leads");
  });

  test("asks with what would be lost", () => {
    const question = {
      id: id(0),
      name: "otter-0",
      lost: ["otter-0 has changes that are on no branch of /a"],
    };
    expect(tableLines({ ...many, question }, look(30, 10)).slice(-4)).toEqual([
      "otter-0 has changes that are",
      "on no branch of /a",
      "delete otter-0 with its disks",
      "all the same? [y/n]",
    ]);
  });

  test("obeys nothing that a name or a message says", () => {
    const hostile = fakeStats("x", {}, { name: "a\x1b[2J\u202eb" as VmName });
    const state = {
      ...withRows(emptyTable, [{ stats: hostile, cpuPercent: undefined }]),
      message: "\x1b]0;t\x07",
    };
    const asked = { ...state, question: { id: "x", name: hostile.vm.name, lost: [] } };
    for (const lines of [tableLines(state, look(100, 10)), tableLines(asked, look(100, 10))])
      expect(lines.join("\n")).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
  });
});

describe("the state", () => {
  test("keeps what is chosen, and falls on its neighbour when that has gone", () => {
    const chosen = moved(many, 3);
    expect(withRows(chosen, rowsOf(40).reverse()).selected).toBe(id(3));
    expect(
      withRows(
        chosen,
        rowsOf(40).filter(({ stats }) => stats.vm.id !== id(3)),
      ).selected,
    ).toBe(id(4));
    expect(withRows(chosen, rowsOf(2)).selected).toBe(id(1));
    expect(withRows(chosen, []).selected).toBeUndefined();
    expect([moved(many, -5).selected, moved(many, 500).selected]).toEqual([id(0), id(39)]);
  });

  test("forgets a question about a VM that has gone", () => {
    const asked = { ...many, question: { id: id(7), name: "otter-7", lost: [] } };
    expect(withRows(asked, rowsOf(40)).question).toBeDefined();
    expect(withRows(asked, rowsOf(3)).question).toBeUndefined();
  });

  test("shows what is being done in place of what was", () => {
    const lines = tableLines(withDoing(withRows(emptyTable, rowsOf(1)), id(0), "stopping"), look(80, 8));
    expect(lines[2]).toContain("stopping");
  });
});

test("keys are names or characters; what is nobody's is dropped", () => {
  expect(keysOf("\x1b[A\x1bOBjxS?")).toEqual(["up", "down", "down", "x", "S", "?"]);
  expect(keysOf("\x1b[1;5C\x1b[200~\x1b[15~\r\x03\x1a")).toEqual(["enter", "quit", "suspend"]);
  expect(keysOf("\x1b")).toEqual(["escape"]);
  expect(keysOf("é🦦")).toEqual(["é", "🦦"]);
});

describe("a log as lines", () => {
  const log = (text: string) => {
    const lines = new LogLines();
    for (const byte of Buffer.from(text)) lines.add(Uint8Array.of(byte));
    return lines;
  };

  test("is bounded, whatever a guest writes", () => {
    const endless = new LogLines();
    for (let round = 0; round < 100; round += 1) endless.add(Buffer.from("x".repeat(10_000)));
    expect(endless.last(5)).toEqual(["x".repeat(2_000)]);
    for (let line = 0; line < 5_000; line += 1) endless.add(Buffer.from(`\n${line}`));
    expect(endless.last(2)).toEqual(["4998", "4999"]);
    endless.scroll(Number.POSITIVE_INFINITY, 2);
    expect(endless.last(2)).toEqual(["2999", "3000"]);
  });

  test("comes in any pieces, without colours, and with the last of what was overwritten", () => {
    expect(log("\x1b[1;31mré\x1b[0m\t|\r\n10%\r20%\n\x9b2J").last(9)).toEqual(["ré    |", "20%", "\\x9b2J"]);
  });

  test("stays where one looks while it grows", () => {
    const lines = log("a\nb\nc\nd\ne\n");
    lines.scroll(2, 2);
    expect([lines.last(2), lines.isAtEnd]).toEqual([["b", "c"], false]);
    lines.add(Buffer.from("f\ng\n"));
    expect(lines.last(2)).toEqual(["b", "c"]);
    lines.toEnd();
    expect([lines.last(2), lines.isAtEnd]).toEqual([["f", "g"], true]);
  });

  test("says so when nothing was written yet", () => {
    expect(logLines(new LogLines(), "otter", look(80, 4))[1]).toBe("(nothing was written yet)");
  });

  test("fits any screen", () => {
    const lines = log(`${"wide ".repeat(100)}\n`.repeat(50));
    for (const columns of [1, 9, 80])
      for (const rows of [1, 2, 3, 24]) {
        const drawn = logLines(lines, "otter", look(columns, rows));
        expect(drawn.length).toBeLessThanOrEqual(rows);
        for (const line of drawn) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
      }
  });
});

test("only lines that have changed are written", () => {
  const written: string[] = [];
  const screen = new Screen({ write: (text: string) => void written.push(text) });
  screen.draw(["a", "b", "c"]);
  screen.draw(["a", "B", "c"]);
  screen.draw(["a", "B", "c"]);
  screen.draw(["a"]);
  screen.forget();
  screen.draw(["a"]);
  expect(written).toEqual([
    "\x1b[2J\x1b[1;1H\x1b[Ka\x1b[2;1H\x1b[Kb\x1b[3;1H\x1b[Kc",
    "\x1b[2;1H\x1b[KB",
    "\x1b[2;1H\x1b[J",
    "\x1b[2J\x1b[1;1H\x1b[Ka",
  ]);
});
