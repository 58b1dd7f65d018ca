/**
 * The one error class and the one table of its codes.
 *
 * `message` says what happened to which object (lower case, no advice), `hint` what to do next (pasteable where it is
 * a command), `cause` why. Errors are thrown where they are known and rendered once, by the CLI.
 */
export const errorCodes = {
  usage: { kind: "user", exit: 2, summary: "there is no such command or flag" },
  bad_request: {
    kind: "user",
    exit: 1,
    summary: "the request is malformed or asks for something impossible",
  },
  bad_config: { kind: "user", exit: 1, summary: "config.toml cannot be used" },
  bad_repository: { kind: "user", exit: 1, summary: "the workspace is not a repository banger can copy" },
  not_found: { kind: "notFound", exit: 1, summary: "the named object does not exist" },
  already_exists: { kind: "conflict", exit: 1, summary: "the name is taken" },
  ambiguous: { kind: "user", exit: 1, summary: "the reference matches several objects" },
  precondition: {
    kind: "precondition",
    exit: 1,
    summary: "the object is in a state that does not allow this",
  },
  host_missing: { kind: "precondition", exit: 1, summary: "the host lacks something banger needs" },
  no_space: { kind: "unavailable", exit: 1, summary: "a disk or memory is full" },
  corrupt: { kind: "internal", exit: 1, summary: "stored data is damaged" },
  denied: { kind: "denied", exit: 1, summary: "the caller may not do this" },
  bad_version: { kind: "conflict", exit: 1, summary: "two parts of banger are of different versions" },
  unavailable: { kind: "unavailable", exit: 1, summary: "a part that is needed does not answer" },
  guest_failed: { kind: "unavailable", exit: 1, summary: "the guest or its VMM failed" },
  timeout: { kind: "unavailable", exit: 1, summary: "something took longer than its limit" },
  cancelled: { kind: "user", exit: 1, summary: "cancelled by the user" },
  unknown_method: { kind: "internal", exit: 1, summary: "the daemon does not know this call" },
  operation_failed: { kind: "internal", exit: 1, summary: "an operation failed" },
  internal: { kind: "internal", exit: 1, summary: "a bug in banger" },
} as const satisfies Record<string, { kind: string; exit: number; summary: string }>;

export type ErrorCode = keyof typeof errorCodes;

export interface BangerErrorOptions {
  hint?: string | undefined;
  /** Machine-readable facts; must be JSON-serialisable, because it travels over RPC. */
  details?: Record<string, unknown> | undefined;
  cause?: unknown;
  /** Id of the operation, to be found in the daemon's log. */
  opId?: string | undefined;
}

export class BangerError extends Error {
  override readonly name = "BangerError";
  readonly hint: string | undefined;
  readonly details: Record<string, unknown> | undefined;
  opId: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: BangerErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
    this.details = options.details;
    this.opId = options.opId;
  }
}

/**
 * The status of a command that ran in a guest. Only this may become the CLI's own exit status: a failing host process
 * must still print its error and exit 1.
 */
export class GuestExit {
  constructor(readonly status: number) {}
}

/** Adds what was being attempted to an error, keeping a BangerError's code and hint. */
export function wrap(error: unknown, attempted: string): BangerError {
  const inner = toBangerError(error);
  return new BangerError(inner.code, `${attempted}: ${inner.message}`, {
    hint: inner.hint,
    details: inner.details,
    opId: inner.opId,
    cause: error,
  });
}

const failingDiskHint = "the disk is full or failing: df -h; journalctl -k";

/**
 * Whatever was thrown, as a BangerError; errno codes of full and failing disks and of denied access keep their meaning,
 * and so do SQLite's words for the first two.
 */
export function toBangerError(error: unknown): BangerError {
  if (error instanceof BangerError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const errno = error instanceof Error && "code" in error ? error.code : undefined;
  switch (errno) {
    case "ENOSPC":
    case "EDQUOT":
      return new BangerError("no_space", message, {
        cause: error,
        hint: "free some disk space and try again",
      });
    case "SQLITE_FULL":
      return new BangerError("no_space", `the database cannot be written: ${message}`, {
        cause: error,
        hint: "free some disk space and try again",
      });
    case "EFBIG":
      return new BangerError("no_space", message, {
        cause: error,
        hint: "no file can be so large on that disk: ask for a smaller size",
      });
    case "EIO":
      return new BangerError("operation_failed", message, { cause: error, hint: failingDiskHint });
    case "ENOMEM":
      return new BangerError("no_space", message, { cause: error, hint: "free some memory and try again" });
    case "EMFILE":
    case "ENFILE":
      return new BangerError("unavailable", message, {
        cause: error,
        hint: "raise the limit on open files (ulimit -n)",
      });
    case "EACCES":
    case "EPERM":
      return new BangerError("denied", message, { cause: error });
    case "ABORT_ERR":
      return new BangerError("cancelled", "cancelled", { cause: error });
    default:
      // SQLITE_IOERR_WRITE, _FSYNC, _READ ...: which of them says nothing to anybody.
      if (typeof errno === "string" && errno.startsWith("SQLITE_IOERR")) {
        return new BangerError("operation_failed", `the database cannot be used: ${message}`, {
          cause: error,
          hint: failingDiskHint,
        });
      }
      if (error instanceof Error && error.name === "AbortError") {
        return new BangerError("cancelled", "cancelled", { cause: error });
      }
      return new BangerError("internal", message, { cause: error });
  }
}
