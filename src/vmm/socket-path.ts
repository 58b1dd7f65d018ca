/** A unix socket's path is shorter than other paths may be. */
import { BangerError } from "../base/base.ts";

/** sun_path of unix(7), without the terminating NUL. */
export const longestSocketPath = 107;

/** Throws bad_config for a path that no socket can have. */
export function checkSocketPath(path: string): void {
  if (Buffer.byteLength(path) <= longestSocketPath) return;
  throw new BangerError(
    "bad_config",
    `the path ${path} is too long for a socket (${longestSocketPath} bytes)`,
    {
      hint: "set XDG_RUNTIME_DIR to a shorter directory",
    },
  );
}
