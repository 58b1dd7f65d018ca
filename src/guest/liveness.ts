/**
 * Notices a guest agent that has died or hangs while something is expected of it. Its transport does not tell: a
 * virtio-serial port stays open on the host's side when nobody reads it in the guest.
 */

export interface LivenessLimits {
  /** How often to look, and after how much silence to ask. In ms. */
  askMs: number;
  /** After this much silence, questions included, there is nobody. In ms. */
  lostMs: number;
}

/** Under emulation a busy guest's agent still answers within a second or two. */
export const usualLimits: LivenessLimits = { askMs: 10_000, lostMs: 45_000 };

export class Liveness {
  #heardMs = 0;
  /** Since something was heard. */
  #asked = false;
  #resting = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly limits: LivenessLimits,
    private readonly guest: { ask(): void; lost(): void; expected(): boolean },
  ) {}

  /** Something came from the guest. */
  heard(): void {
    this.#heardMs = performance.now();
    this.#asked = false;
  }

  /** For how long nothing has come. */
  get silentMs(): number {
    return performance.now() - this.#heardMs;
  }

  /** From now on something is expected; the look-out ends by itself when nothing is any more. */
  start(): void {
    if (this.#timer !== undefined || this.#resting) return;
    this.heard();
    this.#timer = setInterval(() => this.#look(), this.limits.askMs);
    this.#timer.unref();
  }

  /** A guest that is paused cannot be heard. */
  rest(paused: boolean): void {
    this.#resting = paused;
    if (paused) this.stop();
    else if (this.guest.expected()) this.start();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const { silentMs } = this;
    if (!this.guest.expected()) this.stop();
    // Never unasked: it may be this process that was stopped, with its host asleep.
    else if (silentMs >= this.limits.lostMs && this.#asked) this.guest.lost();
    else if (silentMs >= this.limits.askMs / 2) {
      this.#asked = true;
      this.guest.ask();
    }
  }
}
