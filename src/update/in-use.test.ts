import { expect, test } from "bun:test";
import { toBangerError } from "../base/base.ts";
import { owner } from "../rpc/contract.ts";
import { callWords, refuseWhileUsed } from "./in-use.ts";
import type { UnderWay } from "./services.ts";

function refusal(...operations: UnderWay[]): string {
  try {
    refuseWhileUsed(operations);
  } catch (error) {
    return toBangerError(error).message;
  }
  return "";
}

test("who is in the way is named for people, with what to look for in the log", () => {
  expect(refusal()).toBe("");
  expect(refusal({ method: "guest.exec", op: "431ba8ed", ms: 1200 })).toBe(
    "banger is in use: a command in a VM (guest.exec, 431ba8ed), for 1 s",
  );
  const others = [
    { method: "vm.show", op: "1", ms: 0 },
    { method: "constructor", op: "2", ms: 0 },
    { method: null, op: null, ms: 700 },
  ];
  expect(refusal(...others)).toBe(
    "banger is in use: vm.show (1), for 0 s; constructor (2), for 0 s; a connection, for 1 s",
  );
});

test("every call that tells of its progress has words, and no words are of a call that there is not", () => {
  const long = Object.entries(owner).flatMap(([name, call]) => ("events" in call ? [name] : []));
  expect(long.filter((name) => !Object.hasOwn(callWords, name))).toEqual([]);
  expect(Object.keys(callWords).filter((name) => !Object.hasOwn(owner, name))).toEqual([]);
});
