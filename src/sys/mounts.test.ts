import { describe, expect, test } from "bun:test";
import { mountOf } from "./sys.ts";

const mountinfo = [
  "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
  "23 22 0:20 / /home rw,nodev master:2 - btrfs /dev/sdb rw",
  "24 22 0:21 / /home/a\\040b rw - tmpfs none rw",
  "25 22 0:22 / /home ro,noexec - xfs /dev/sdc rw",
  "",
].join("\n");

describe("the mount that a path is on", () => {
  test.each([
    ["/", "/", "ext4"],
    ["/homeless/x", "/", "ext4"],
    ["/home/a b/c", "/home/a b", "tmpfs"],
  ])("of %p is %p", (path, point, type) => {
    expect(mountOf(mountinfo, path)).toMatchObject({ point, type });
  });

  test("is the later of two on one point", () => {
    expect(mountOf(mountinfo, "/home")).toEqual({ point: "/home", type: "xfs", options: ["ro", "noexec"] });
  });

  test("is none where nothing is mounted", () => {
    expect(mountOf("", "/home")).toBeUndefined();
  });
});
