import { expect, test } from "bun:test";
import { healthy, systemPlace, userPlace, verdict } from "../testing/healthy.ts";

const { update } = healthy;
const cutOff = { update: { ...update, pending: { ...update.pending, exists: true } } };

test("an update that was cut off is told, with who finishes it", () => {
  expect(verdict("update", {}, userPlace).state).toBe("pass");
  expect(verdict("update", cutOff, userPlace)).toMatchObject({
    state: "warn",
    remedy: ["banger update finishes one that was cut off"],
  });
  expect(verdict("update", cutOff, systemPlace).remedy).toEqual([
    "sudo banger update finishes one that was cut off",
  ]);
});

test("unit files of another version are told", () => {
  const otherUnits = ["/etc/systemd/system/bangerd.service"];
  expect(verdict("update", { update: { ...update, otherUnits } }, systemPlace)).toMatchObject({
    state: "warn",
    summary: "unit files are of another version",
    remedy: ["sudo banger system install --owner alice"],
  });
});
