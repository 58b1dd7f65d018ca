/** What VMs are called, and what may be done to them in which state. */
import { describe, expect, test } from "bun:test";
import type { BangerError } from "../base/base.ts";
import { newVmId, VmName } from "../base/ids.ts";
import { generateName } from "./names.ts";
import { resolveRef } from "./refs.ts";
import { transition } from "./states.ts";
import { vmFiles } from "./vm.ts";

describe("references", () => {
  const vms = [
    { id: "aabbccdd-0000-4000-8000-000000000000", name: "one" },
    { id: "aabb1111-0000-4000-8000-000000000000", name: "two" },
  ];
  test("name, id and unique prefix of an id are understood", () => {
    expect(resolveRef("one", vms).name).toBe("one");
    expect(resolveRef("aabb1111-0000-4000-8000-000000000000", vms).name).toBe("two");
    expect(resolveRef("aabb1", vms).name).toBe("two");
  });
  test("an ambiguous prefix names the candidates, an unknown one a near miss", () => {
    expect(() => resolveRef("aabb", vms)).toThrow("one (aabbccdd), two (aabb1111)");
    expect(() => resolveRef("twq", vms)).toThrow('there is no VM "twq"');
    expect(() => resolveRef("a", vms)).toThrow('"a" is too little of an id: 2 digits at least');
    expect(() => resolveRef("b", vms)).toThrow('there is no VM "b"');
  });
});

test("a state that cannot be left by an event says so, with what to do", () => {
  const failure = (() => {
    try {
      transition({ name: VmName.parse("a"), state: "running" }, "start");
    } catch (error) {
      return error as BangerError;
    }
  })();
  expect(failure?.message).toBe("VM a is running");
  expect(failure?.hint).toContain("banger vm ssh a");
});

test("generated names are DNS labels and avoid those that are taken", () => {
  const first = generateName(new Set(), () => 0);
  expect(generateName(new Set([first]), () => 0)).not.toBe(first);
  expect(
    vmFiles({ vms: "/v", run: "/r", workTemplates: "/t", templates: "/w" }, newVmId()).runDir.length,
  ).toBe("/r/".length + 18);
});
