/** A driver's answer about the host, asked for once: unless it is no, because what is missing may be installed meanwhile. */
import type { DriverProbe } from "./vmm.ts";

export type Probe = (signal?: AbortSignal) => Promise<DriverProbe>;

/** All who ask while one is under way share it; one that is aborted has no answer, and the next caller asks anew. */
export function rememberedProbe(ask: Probe): Probe {
  let asked: Promise<DriverProbe> | undefined;
  return (signal) => {
    if (asked !== undefined) return asked;
    const answer = ask(signal);
    const forget = () => {
      if (asked === answer) asked = undefined;
    };
    asked = answer;
    answer.then(({ usable }) => usable || forget(), forget);
    return answer;
  };
}
