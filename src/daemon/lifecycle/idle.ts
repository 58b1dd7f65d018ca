/** Ending a daemon that nobody needs: one timer, and only while nothing goes on. */
export interface IdleWatch {
  /** Something began, or everything ended. */
  busy(is: boolean): void;
  stop(): void;
}

/** Calls `end` after `timeoutMs` without activity, if `idle` still says so then. 0 never does. */
export function watchIdle(timeoutMs: number, idle: () => boolean, end: () => void): IdleWatch {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const arm = () => {
    clearTimeout(timer);
    timer = undefined;
    // With machines running there is nothing to wait for: their end comes by itself, and arms the timer again.
    if (timeoutMs > 0 && idle()) timer = setTimeout(() => (idle() ? end() : arm()), timeoutMs);
  };
  arm();
  return {
    busy: (is) => {
      if (is) clearTimeout(timer);
      else arm();
    },
    stop: () => clearTimeout(timer),
  };
}
