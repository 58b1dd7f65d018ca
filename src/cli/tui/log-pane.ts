/** A VM's console, followed while somebody looks at it. */
import type { Duplex } from "node:stream";
import { toBangerError } from "../../base/base.ts";
import type { Daemon } from "../context.ts";
import { LogLines } from "./log-lines.ts";

const tail = 500;
/** A console that floods is drawn no more often than this. In ms. */
const drawMs = 100;

export class LogPane {
  readonly lines = new LogLines();
  readonly name: string;
  #stream: Duplex | undefined;
  #closed = false;
  #drawing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly client: Daemon,
    private readonly vm: { id: string; name: string },
    private readonly draw: () => void,
  ) {
    this.name = vm.name;
  }

  /** Until it is closed, or its VM is gone. Resolves with what went wrong, or nothing. */
  async follow(): Promise<string> {
    try {
      const wanted = { ref: this.vm.id, source: "console", follow: true, tail } as const;
      const { ticket } = await this.client.call("vm.logs", wanted);
      const stream = await this.client.stream(ticket);
      this.#stream = stream;
      if (this.#closed) stream.destroy();
      stream.end();
      for await (const chunk of stream) {
        this.lines.add(chunk);
        this.#drawing ??= setTimeout(() => {
          this.#drawing = undefined;
          if (!this.#closed) this.draw();
        }, drawMs);
      }
      return "";
    } catch (error) {
      return this.#closed ? "" : toBangerError(error).message;
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#drawing);
    this.#stream?.destroy();
  }
}
