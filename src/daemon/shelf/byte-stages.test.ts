import { expect, test } from "bun:test";
import type { StageEvent } from "../../rpc/rpc.ts";
import { byteStages } from "./byte-stages.ts";

test("an import's parts are stages, one after the other, told ten times a second at most", () => {
  let nowMs = 0;
  const told: StageEvent[] = [];
  const { progress, end } = byteStages(
    (event) => told.push(event),
    () => nowMs,
  );
  progress("image_manifest", 0, 0);
  for (let done = 0; done <= 1000; done += 1) {
    nowMs += 1;
    progress("image_layers", done, 1000);
  }
  end();
  end();
  expect(told.slice(0, 3)).toEqual([
    { kind: "stage", stage: "image_manifest", status: "begin" },
    { kind: "stage", stage: "image_manifest", status: "done", ms: 1 },
    { kind: "stage", stage: "image_layers", status: "begin", done: 0, total: 1000, unit: "bytes" },
  ]);
  expect(told.at(-2)).toMatchObject({ status: "progress", done: 1000 });
  expect(told.at(-1)).toEqual({ kind: "stage", stage: "image_layers", status: "done", ms: 1000 });
  expect(told.length).toBeLessThan(16);
});
