import { expect, test } from "bun:test";
import { formatSpan, parseDurationMs } from "./units.ts";

test("spans have two units at most, and no more than they need", () => {
  const spans: [string, string][] = [
    ["0", "0s"],
    ["250ms", "250ms"],
    ["45s", "45s"],
    ["90s", "1m30s"],
    ["2h30m", "2h30m"],
    ["2h0m5s", "2h"],
    ["24h", "1d"],
    ["50h", "2d2h"],
  ];
  expect(spans.map(([given]) => formatSpan(parseDurationMs(given)))).toEqual(spans.map(([, shown]) => shown));
});
