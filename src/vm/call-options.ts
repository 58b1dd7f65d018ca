/** Who calls: how the call is given up, and who hears of its progress. */
import type { StepEvent } from "../pipeline/pipeline.ts";

export interface CallOptions {
  signal: AbortSignal;
  observe?: ((event: StepEvent) => void) | undefined;
  /** Hears what does not go as it should, though it goes. */
  warn?: ((message: string) => void) | undefined;
}
