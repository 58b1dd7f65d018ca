import { describe, expect, test } from "bun:test";
import { toBangerError } from "./errors.ts";

describe("what was thrown, as an error of ours", () => {
  const thrown = (code: string, message: string) =>
    toBangerError(Object.assign(new Error(message), { code }));

  test("a full disk is no bug, whoever met it", () => {
    expect(thrown("ENOSPC", "ENOSPC: no space left on device, write").code).toBe("no_space");
    const { code, message } = thrown("SQLITE_FULL", "database or disk is full");
    expect({ code, message }).toEqual({
      code: "no_space",
      message: "the database cannot be written: database or disk is full",
    });
  });

  test("a file that would be larger than its disk's files can be is no bug either", () => {
    const failure = thrown("EFBIG", "EFBIG: file too large, ftruncate");
    expect(failure.code).toBe("no_space");
    expect(failure.hint).toContain("smaller size");
  });

  test("a failing disk is no bug either, and says where to look", () => {
    for (const code of ["EIO", "SQLITE_IOERR", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC"]) {
      const failure = thrown(code, "disk I/O error");
      expect(failure.code).toBe("operation_failed");
      expect(failure.hint).toContain("journalctl -k");
    }
  });

  test("anything else is", () => {
    expect(thrown("ERR_INVALID_ARG_TYPE", "x").code).toBe("internal");
  });
});
