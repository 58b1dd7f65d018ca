/**
 * The shape of every operation, and the way each is run: validated, logged, checked against the world, done; taken back
 * when it fails half-way. Of one VM one operation runs at a time.
 */
import { BangerError, toBangerError } from "../base/base.ts";
import type { Install, RootConfig } from "../config/config.ts";
import type { CallContext, CallLog, HelperMethod, HelperParams, HelperResult } from "../rpc/rpc.ts";
import type { UserId } from "../sys/sys.ts";
import type { Locks } from "./locks.ts";
import type { Places } from "./places.ts";

/** What this helper serves: for whom, and where. */
export interface Site {
  places: Places;
  install: Readonly<Install>;
  config: Readonly<RootConfig>;
  user: UserId;
  log: CallLog;
  locks: Locks;
}

export interface Call {
  signal: AbortSignal;
}

export interface Operation<M extends HelperMethod, Plan> {
  /** Pure: from what was asked to what would be done, or a refusal. The params have passed their schema. */
  validate(params: HelperParams<M>, site: Site): Plan;
  /** Refuses by the state of the world; changes nothing. */
  check?(plan: Plan, site: Site): void;
  do(plan: Plan, site: Site, call: Call): Promise<HelperResult<M>>;
  /** Takes away what a failed `do` has left. */
  undo?(plan: Plan, site: Site): Promise<void>;
}

/** A method's handler: all that the table of operations knows of it. */
export type Handler<M extends HelperMethod> = (
  params: HelperParams<M>,
  site: Site,
  ctx: Pick<CallContext<never>, "opId" | "signal">,
) => Promise<HelperResult<M>>;

export function handler<M extends HelperMethod, Plan>(method: M, operation: Operation<M, Plan>): Handler<M> {
  return (params, site, { opId, signal }) => {
    const plan = operation.validate(params, site);
    return site.locks.holding(lockOf(params), signal, async () => {
      operation.check?.(plan, site);
      site.log.info("operation", { op: opId, method, params });
      try {
        return await operation.do(plan, site, { signal });
      } catch (error) {
        throw await takenBack(error, () => operation.undo?.(plan, site));
      }
    });
  };
}

/** Its VM's id; what is of no VM takes no lock here. */
function lockOf(params: HelperParams<HelperMethod>): string {
  return "vm" in params ? params.vm : "";
}

/** The error, joined by what went wrong while what it left was taken away. */
async function takenBack(error: unknown, undo: () => Promise<void> | undefined): Promise<unknown> {
  try {
    await undo();
    return error;
  } catch (second) {
    const first = toBangerError(error);
    return new BangerError(first.code, first.message, {
      hint: first.hint,
      details: { ...first.details, undo: toBangerError(second).message },
      cause: error,
    });
  }
}
