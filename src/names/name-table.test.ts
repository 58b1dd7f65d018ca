import { expect, test } from "bun:test";
import { NameTable } from "./names.ts";

const listed = (table: NameTable, directory: number) =>
  [...table.of(directory)].map((entry) => [table.name(entry), table.value(entry)]);

test("a name is found in its directory, and nowhere else", () => {
  const table = new NameTable();
  const entry = table.set(7, "a", 1);
  table.set(0, "b", 0);
  expect(table.get(7, "a")).toBe(1);
  expect(table.get(0, "b")).toBe(0);
  expect(table.get(0, "a")).toBeUndefined();
  expect(table.get(7, "aa")).toBeUndefined();
  expect([table.name(entry), table.directory(entry), table.nameBytes(entry)]).toEqual(["a", 7, 1]);
  expect(listed(table, 99)).toEqual([]);
});

test("a name that comes again gets another value, and keeps its place", () => {
  const table = new NameTable();
  const entry = table.set(1, "one", 1);
  table.set(1, "two", 2);
  expect(table.set(1, "one", 3)).toBe(entry);
  expect(listed(table, 1)).toEqual([
    ["one", 3],
    ["two", 2],
  ]);
});

test("a name that was taken away is not there until it comes again", () => {
  const table = new NameTable();
  for (const [value, name] of ["one", "two", "three"].entries()) table.set(1, name, value);
  for (const entry of table.of(1)) if (table.name(entry) !== "three") table.remove(entry);
  expect(listed(table, 1)).toEqual([["three", 2]]);
  expect(table.find(1, "one")).toBeUndefined();
  table.set(1, "one", 9);
  expect(listed(table, 1)).toEqual([
    ["one", 9],
    ["three", 2],
  ]);
  expect(table.count).toBe(3);
});

test("names are bytes of every kind, up to 255 of them", () => {
  const table = new NameTable();
  const all = String.fromCharCode(...Array.from({ length: 255 }, (_, n) => n + 1));
  const names = [all, "\xc3\xa4", "\xe4", "a\nb", " ", "x".repeat(255), "x".repeat(254)];
  for (const [value, name] of names.entries()) table.set(3, name, value);
  expect(listed(table, 3)).toEqual(names.map((name, value) => [name, value]));
  for (const [value, name] of names.entries()) expect(table.get(3, name)).toBe(value);
});

test("many names in many directories are what a map of maps says", () => {
  const table = new NameTable();
  const maps = new Map<number, Map<string, number>>();
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 1;
    return seed % below;
  };
  for (let n = 0; n < 60_000; n += 1) {
    const directory = random(300);
    const name = `name-${random(400)}`;
    const map = maps.get(directory) ?? new Map<string, number>();
    maps.set(directory, map);
    if (random(4) === 0) {
      const entry = table.find(directory, name);
      expect(entry !== undefined).toBe(map.delete(name));
      if (entry !== undefined) table.remove(entry);
    } else {
      table.set(directory, name, n);
      map.set(name, n);
    }
  }
  for (const [directory, map] of maps) {
    expect(listed(table, directory).sort()).toEqual([...map].sort());
    for (const [name, value] of map) expect(table.get(directory, name)).toBe(value);
  }
});
