/** How far a copy is: a live line on a terminal, and in the end what was copied. Without one a copy is silent. */
import { formatBytes } from "../../base/base.ts";
import type { TransferEvent } from "../../rpc/contract.ts";
import type { Context } from "../context.ts";
import { type Progress, startProgress } from "../output/progress.ts";

export class CopyProgress {
  readonly #shown: Progress;
  #done = 0;
  #total: number | undefined;

  constructor(private readonly ctx: Context) {
    this.#shown = startProgress(ctx);
  }

  event(event: TransferEvent): void {
    this.#shown.event(event);
  }

  total(bytes: number): void {
    this.#total = bytes;
  }

  add(bytes: number): void {
    this.#done += bytes;
    const total = this.#total === undefined ? {} : { total: this.#total };
    this.event({
      kind: "stage",
      stage: "copy",
      status: "progress",
      done: this.#done,
      ...total,
      unit: "bytes",
    });
  }

  warn(message: string): void {
    this.event({ kind: "warning", message });
  }

  /** It went well. */
  done(files?: number): void {
    const count = files === undefined ? "" : `${files} ${files === 1 ? "file" : "files"}, `;
    this.#shown.end(this.ctx.tty.stderr ? `copied ${count}${formatBytes(this.#done)}` : undefined);
  }

  /** It did not. */
  end(): void {
    this.#shown.end();
  }
}
