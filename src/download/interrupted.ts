/** What is worth another attempt. */

/** A connection that could not be made or was lost, or a server that went silent. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** What the server asked to be waited for. */
  readonly pauseMs: number;

  constructor(message: string, options: { cause?: unknown; pauseMs?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.pauseMs = options.pauseMs ?? 0;
  }
}
