/** What the host's files say when they cannot be made, in words. */
import { BangerError, type ErrorCode } from "../base/base.ts";

const words: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  EACCES: ["denied", "permission denied"],
  EPERM: ["denied", "not permitted"],
  EROFS: ["denied", "the file system is read-only"],
  ENOSPC: ["no_space", "no space left"],
  EDQUOT: ["no_space", "your quota is used up"],
  EFBIG: ["no_space", "the file is larger than this file system, or a limit, allows"],
  ENOENT: ["not_found", "there is no such directory"],
  ENOTDIR: ["bad_request", "it is no directory"],
  EISDIR: ["already_exists", "it is a directory, and a file cannot take its place"],
  ENOTEMPTY: ["already_exists", "it is a directory, and a file cannot take its place"],
  EEXIST: ["already_exists", "it is no directory, and a directory cannot take its place"],
  ENAMETOOLONG: ["bad_request", "the name is too long for this file system"],
  EINVAL: ["bad_request", "this file system cannot have such a name"],
  EILSEQ: ["bad_request", "this file system cannot have such a name"],
};

export function failure(place: string, error: unknown): Error {
  if (error instanceof BangerError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const [kind, why] = words[code] ?? ["operation_failed", code === "" ? String(error) : code];
  return new BangerError(kind, `${place}: ${why}`, { cause: error });
}

export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
