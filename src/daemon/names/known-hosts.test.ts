import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newVmId, VmName } from "../../base/ids.ts";
import { vmFiles } from "../../vm/vm.ts";
import { KnownHosts } from "./known-hosts.ts";

const dir = mkdtempSync(join(tmpdir(), "banger-known-hosts-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const paths = { vms: join(dir, "vms"), run: "", workTemplates: "", templates: "" };
const file = join(dir, "ssh/known_hosts");

function vm(name: string) {
  const made = { id: newVmId(), name: VmName.parse(name) };
  const files = vmFiles(paths, made.id);
  mkdirSync(files.dir, { recursive: true });
  writeFileSync(files.knownHosts, `${name}.vm ssh-ed25519 key-of-${name}\n`);
  return made;
}

test("all VMs' host keys are in one file, and those of VMs that have gone are not", async () => {
  const knownHosts = new KnownHosts(file, paths);
  const [one, two] = [vm("one"), vm("two")];
  await Promise.all([knownHosts.write([one]), knownHosts.write([one, two])]);
  expect(readFileSync(file, "utf8")).toBe("one.vm ssh-ed25519 key-of-one\ntwo.vm ssh-ed25519 key-of-two\n");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await knownHosts.write([two]);
  expect(readFileSync(file, "utf8")).toBe("two.vm ssh-ed25519 key-of-two\n");
  expect(readdirSync(join(dir, "ssh"))).toEqual(["known_hosts"]);
});

test("a VM whose key was not there yet is looked at again", async () => {
  const knownHosts = new KnownHosts(file, paths);
  const late = { id: newVmId(), name: VmName.parse("late") };
  await knownHosts.write([late]);
  expect(readFileSync(file, "utf8")).toBe("");
  mkdirSync(vmFiles(paths, late.id).dir, { recursive: true });
  writeFileSync(vmFiles(paths, late.id).knownHosts, "late.vm key\n");
  await knownHosts.write([late]);
  expect(readFileSync(file, "utf8")).toBe("late.vm key\n");
});

test("what a killed daemon was writing is no hindrance", async () => {
  writeFileSync(`${file}.new`, "half");
  await new KnownHosts(file, paths).write([vm("three")]);
  expect(readFileSync(file, "utf8")).toBe("three.vm ssh-ed25519 key-of-three\n");
});
