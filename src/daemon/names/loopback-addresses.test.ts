import { expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { LoopbackAddresses } from "./loopback-addresses.ts";

test("an address follows from the id: another daemon gives the same one", () => {
  const ids = Array.from({ length: 50 }, () => randomUUID());
  const [one, other] = [new LoopbackAddresses(), new LoopbackAddresses()];
  const first = ids.map((id) => one.of(id, () => ids));
  expect([...ids].reverse().map((id) => other.of(id, () => ids))).toEqual([...first].reverse());
  for (const address of first) expect(address).toMatch(/^127\.66\.\d{1,3}\.\d{1,3}$/);
});

test("no two VMs have the same, and a VM keeps its own when others go", () => {
  const ids = Array.from({ length: 3000 }, () => randomUUID());
  const addresses = new LoopbackAddresses();
  const given = new Map(ids.map((id) => [id, addresses.of(id, () => ids)]));
  // Of 3,000 in 65,534 many would meet.
  expect(new Set(given.values()).size).toBe(ids.length);
  const all = [...given.values()];
  expect(all.filter((address) => /\.(0\.0|255\.255)$/.test(address))).toEqual([]);
  const left = ids.filter((_, index) => index % 2 === 1);
  for (const id of left) expect(addresses.of(id, () => left)).toBe(given.get(id) ?? "");
});
