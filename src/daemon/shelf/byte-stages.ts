/** Work that is counted in bytes, as the stages that people see: one after the other, each with how much of it is done. */
import type { StageEvent } from "../../rpc/rpc.ts";

/** Bytes come in chunks; people look ten times a second. */
const betweenMs = 100;

export interface ByteStages {
  /** `total` 0: it is not known. Another stage than the last time ends that one. */
  progress(stage: string, done: number, total: number): void;
  /** The last stage is done. */
  end(): void;
}

export function byteStages(
  emit: (event: StageEvent) => void,
  now: () => number = () => performance.now(),
): ByteStages {
  let current: { stage: string; startedMs: number } | undefined;
  let toldMs = 0;
  const end = () => {
    if (current === undefined) return;
    emit({ kind: "stage", stage: current.stage, status: "done", ms: now() - current.startedMs });
    current = undefined;
  };
  return {
    end,
    progress: (stage, done, total) => {
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
