import { expect, test } from "bun:test";
import { FakeDaemon } from "../testing/fake-daemon.ts";
import { banger } from "../testing/harness.ts";

test.each([
  ["vm", "no VM yet: banger vm run\n"],
  [
    "image",
    "no image yet: the first VM brings the default one; what there is:\nbanger image list --available\n",
  ],
  ["kernel", "no kernel yet: an image brings its own; what there is:\nbanger kernel list --available\n"],
])("an empty %s list says on a terminal what comes next, and nothing anywhere else", async (what, hint) => {
  const nothing = () => [];
  const daemon = new FakeDaemon({ "vm.list": nothing, "image.list": nothing, "kernel.list": nothing });
  const said = async (tty: { stdout?: boolean; stderr?: boolean }, ...flags: string[]) => {
    const env = { NO_COLOR: "1" };
    return (await banger([what, "list", ...flags], { daemon, tty, env })).err;
  };
  expect(await said({ stdout: true, stderr: true })).toBe(hint);
  expect(await said({ stderr: true })).toBe("");
  expect(await said({ stdout: true, stderr: true }, "--json")).toBe("");
});
