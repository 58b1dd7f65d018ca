/** An import's parts as the stages that people see: one after the other, each with how much of it is done. */
import type { ImportPart } from "../../image/image.ts";
import type { StageEvent } from "../../rpc/rpc.ts";

const stages: Readonly<Record<ImportPart, string>> = {
  manifest: "image_manifest",
  layers: "image_layers",
  root: "image_root",
};
/** Bytes come in chunks; people look ten times a second. */
const betweenMs = 100;

export interface ImportProgress {
  progress(part: ImportPart, done: number, total: number): void;
  /** The last part is done. */
  end(): void;
}

export function importProgress(
  emit: (event: StageEvent) => void,
  now: () => number = () => performance.now(),
): ImportProgress {
  let current: { stage: string; startedMs: number } | undefined;
  let toldMs = 0;
  const end = () => {
    if (current === undefined) return;
    emit({ kind: "stage", stage: current.stage, status: "done", ms: now() - current.startedMs });
    current = undefined;
  };
  return {
    end,
    progress: (part, done, total) => {
      const stage = stages[part];
      const amount = total === 0 ? {} : { done, total, unit: "bytes" as const };
      if (current?.stage !== stage) {
        end();
        current = { stage, startedMs: now() };
        toldMs = now();
        emit({ kind: "stage", stage, status: "begin", ...amount });
      } else if (now() - toldMs >= betweenMs || done === total) {
        toldMs = now();
        emit({ kind: "stage", stage, status: "progress", ...amount });
      }
    },
  };
}
