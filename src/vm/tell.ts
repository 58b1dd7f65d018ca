/** What a run of a step list has done to its VM, in the words of those who follow what happens. */
import { toBangerError, type VmId } from "../base/base.ts";
import { VmRecord } from "../state/state.ts";
import type { VmDeps } from "./deps.ts";
import { fromIdleness } from "./live/suspended.ts";
import { isIdle } from "./states.ts";

type Details = Record<string, string | number | boolean>;
export type VmHappening =
  | `vm.${"created" | "started" | "stopped" | "paused" | "resumed" | "suspended" | "restored" | "changed" | "deleted" | "failed"}`
  | "snapshot.created"
  | "template.made"
  | "template.removed";

/** Hears of everything that has happened; must not fail. */
export type Happened = (
  kind: VmHappening,
  subject: { id: string; name: string },
  details?: Record<string, string | number | boolean>,
) => void;

export interface Telling {
  done(): void;
  failed(error: unknown): void;
}

const quiet: ReadonlySet<string> = new Set(["cancelled", "precondition", "already_exists"]);

/** To be called before the run: afterwards a VM may be gone, with its name. `input` is the list's. */
export function telling({ happened, state }: VmDeps, list: string, id: VmId, input: object): Telling {
  if (happened === undefined) return { done: () => {}, failed: () => {} };
  const before = state.vms.get(id) ?? recordIn(input);
  const name = before?.name ?? "";
  return {
    done: () => {
      const said = whatOf(list, before, state.vms.get(id), input);
      if (said !== undefined) happened(said[0], { id, name }, said[1]);
    },
    failed: (error) => {
      const { code, message } = toBangerError(error);
      // A start may be tried in another way: whoever does tells of its end.
      if (list === "vm.start" || quiet.has(code)) return;
      happened("vm.failed", { id, name }, { doing: list, error: message });
    },
  };
}

function whatOf(
  list: string,
  before: VmRecord | undefined,
  after: VmRecord | undefined,
  input: object,
): [VmHappening, Details] | undefined {
  const { reason, by, about, name } = wordsOf(input);
  switch (list) {
    case "vm.create":
    case "vm.fork":
      return ["vm.created", { image: after?.image.name ?? "", ...from(after?.checkpoint?.from) }];
    case "vm.start":
      return ["vm.started", { how: after?.start?.how ?? "cold" }];
    case "vm.stop":
      // Of one that has not run there is only an error to be forgotten.
      return before === undefined || isIdle(before)
        ? undefined
        : ["vm.stopped", { reason: reason ?? "asked" }];
    case "vm.pause":
      return ["vm.paused", {}];
    case "vm.resume":
      return ["vm.resumed", {}];
    case "vm.suspend":
      return ["vm.suspended", { reason: by === fromIdleness ? "nobody used it" : "asked" }];
    case "vm.set":
      return ["vm.changed", {}];
    case "vm.snapshot":
      return ["snapshot.created", { snapshot: name ?? "" }];
    case "vm.restore":
      return ["vm.restored", { snapshot: about ?? "" }];
    case "vm.delete":
      return ["vm.deleted", { reason: reason ?? "asked" }];
    default:
      return undefined;
  }
}

function from(what: string | undefined): Details {
  return what === undefined ? {} : { from: what };
}

function recordIn(input: object): VmRecord | undefined {
  return "record" in input ? VmRecord.safeParse(input.record).data : undefined;
}

/** What of a list's input is worth telling. */
function wordsOf(input: object) {
  const word = (of: object, key: string) => {
    const value: unknown = Reflect.get(of, key);
    return typeof value === "string" ? value : undefined;
  };
  const about: unknown = Reflect.get(input, "about");
  return {
    reason: word(input, "reason"),
    by: word(input, "by"),
    name: word(input, "name"),
    about: typeof about === "object" && about !== null ? word(about, "name") : undefined,
  };
}
