/** What /proc says of processes and connections. */
import { expect, test } from "bun:test";
import { identify } from "./identity.ts";
import { parseOwn, parseStat, processUse } from "./process-use.ts";
import { parsePeers } from "./tcp-peers.ts";

const stat =
  "4711 (a) R (b) S 1 2 3 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 12345 104857600 2560 18446744073709551615 0";

test("a process's use is read behind its name, whatever that is", () => {
  expect(parseStat(stat, 12345)).toEqual({ cpuMs: 3000, residentBytes: 2560 * 4096 });
});

test("its own memory is without what it has mapped of files", () => {
  const status =
    "Name:\tqemu\nVmRSS:\t  9000 kB\nRssAnon:\t  1000 kB\nRssFile:\t  7990 kB\nRssShmem:\t    10 kB\n";
  expect(parseOwn(status)).toBe(1010 * 1024);
  expect(parseOwn("")).toBeNull();
});

test("another process of the same number has none of it", () => {
  expect(parseStat(stat, 12346)).toBeUndefined();
  expect(parseStat("", 12345)).toBeUndefined();
  expect(parseStat("4711 (x) R 1 2", 12345)).toBeUndefined();
});

test("this process takes memory and time", async () => {
  const self = identify(process.pid);
  if (self === undefined) throw new Error("this process is not there");
  const use = await processUse(self);
  expect(use?.residentBytes).toBeGreaterThan(1 << 20);
  expect(use?.ownBytes).toBeWithin(1, (use?.residentBytes ?? 0) + 1);
  expect(use?.cpuMs).toBeGreaterThan(0);
});

test("peers are those that this host is connected with, not those that could come", () => {
  const table = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1",
    "   1: 010010AC:D2F0 050010AC:0016 01 00000000:00000000 00:00000000 00000000  1000        0 2 1",
    "   2: 010010AC:D2F2 060010AC:0050 06 00000000:00000000 03:00001000 00000000     0        0 0 3",
    "",
  ].join("\n");
  expect([...parsePeers(table)]).toEqual(["172.16.0.5", "172.16.0.6"]);
});
