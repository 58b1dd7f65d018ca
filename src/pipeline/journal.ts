/** What a journal must remember so that a crashed run can be undone or gone through again. */

export interface JournalEntry {
  step: string;
  /** Undefined: the step was intended; whether its effect happened is unknown. */
  output: unknown;
}

/** A run that was begun and not ended. */
export interface JournalRun {
  run: string;
  list: string;
  input: unknown;
  /** In the order in which they were intended. */
  entries: JournalEntry[];
}

/**
 * Every call returns only when a killed process could not lose what it recorded. (It need not survive a power cut:
 * then the processes and sockets that it speaks of are gone too, and what is on disk is found by reconcile.)
 */
export interface Journal {
  begin(run: string, list: string, input: unknown): void;
  intend(run: string, step: string): void;
  /** Records a finished step and, in the same write, the intent of the next one. */
  done(run: string, step: string, output: unknown, next: string | undefined): void;
  undone(run: string, step: string): void;
  /** `lasting`: this, and everything that was recorded before it, outlives a power cut, too. */
  end(run: string, lasting?: boolean): void;
  open(): JournalRun[];
}

/** A journal for tests: survives nothing. */
export function memoryJournal(): Journal {
  const runs = new Map<string, JournalRun>();
  const get = (run: string): JournalRun => {
    const found = runs.get(run);
    if (!found) throw new Error(`no run ${run}`);
    return found;
  };
  return {
    begin: (run, list, input) => void runs.set(run, { run, list, input, entries: [] }),
    intend: (run, step) => void get(run).entries.push({ step, output: undefined }),
    done: (run, step, output, next) => {
      const { entries } = get(run);
      for (const entry of entries) if (entry.step === step) entry.output = output;
      if (next !== undefined) entries.push({ step: next, output: undefined });
    },
    undone: (run, step) => {
      const found = get(run);
      found.entries = found.entries.filter((entry) => entry.step !== step);
    },
    end: (run) => void runs.delete(run),
    open: () => structuredClone([...runs.values()]),
  };
}
