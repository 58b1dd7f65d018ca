import { expect, test } from "bun:test";
import { BangerError } from "../../base/base.ts";
import type { ImageInfo } from "../../rpc/contract.ts";
import { runCli } from "../run-cli.ts";
import type { FakeDaemon, FakeHandlers } from "../testing/fake-daemon.ts";
import { fakeGuest } from "../testing/fake-guest.ts";
import { daemonThat, vm } from "../testing/fake-run.ts";
import { banger, session } from "../testing/harness.ts";

const image: ImageInfo = {
  ...{ id: `sha256:${"ab".repeat(32)}`, name: "box", kind: "provisioned", present: true, outdated: false },
  ...{ description: "", kernel: "debian-cloud-6.1", sizeBytes: 1, createdAt: null, path: null, oci: null },
};
const words = ["image", "pull", "ubuntu:24.04", "--size", "4G", "--provision"];

/** On which all goes well; the guest's script says `line` and ends with `status`. */
function provisioning(change: FakeHandlers = {}, status = 0, line = "installed"): FakeDaemon {
  const daemon: FakeDaemon = daemonThat({
    "image.name": () => ({ name: "ubuntu-24.04" }),
    "image.pull": ({ name = "" }) => ({ ...image, name }),
    "vm.stop": () => vm,
    "image.save": ({ name }) => ({ ...image, name }),
    "image.delete": () => ({}),
    ...fakeGuest(
      () => daemon,
      async ({ stderr }) => {
        stderr?.write(`much\n${line}\n`);
        return status;
      },
    ),
    ...change,
  });
  return daemon;
}

const plainOf = (daemon: FakeDaemon) =>
  daemon.calls.find(({ method }) => method === "image.pull")?.params as { name: string };

test("imports under a name of its own, installs with the network, saves, and removes what was between", async () => {
  const daemon = provisioning();
  const { status, out, err } = await banger(words, { daemon });
  expect([status, out]).toEqual([0, "ubuntu-24.04\n"]);
  expect(err).toContain("installed\n");
  expect(daemon.methods).toEqual([
    ...["image.name", "image.pull", "config.defaults", "vm.create", "guest.exec"],
    ...["vm.stop", "image.save", "vm.delete", "image.delete"],
  ] as typeof daemon.methods);
  const { name } = plainOf(daemon);
  expect(name).toMatch(/^provisioning-[0-9a-f]{12}$/);
  const params = daemon.calls.map((call) => call.params);
  expect(params[1]).toEqual({ ref: "ubuntu:24.04", name, sizeBytes: 4 * 1024 ** 3 });
  expect(params[3]).toMatchObject({ image: name, nat: true, cold: true, ephemeral: true });
  // Whatever user the image names: what is installed is root's to install.
  expect(params[4]).toMatchObject({ user: "root" });
  expect(params[6]).toEqual({ vm: vm.id, name: "ubuntu-24.04", provisioned: true });
  expect(params[8]).toEqual({ ref: name });
});

test("a name that is taken is refused before anything is fetched", async () => {
  const taken = () => Promise.reject(new BangerError("already_exists", "there is an image box already"));
  const daemon = provisioning({ "image.name": taken });
  const { status, err } = await banger([...words, "--name", "box"], { daemon });
  expect([status, daemon.methods]).toEqual([1, ["image.name"]]);
  expect(err).toContain("there is an image box already");
});

test("a script that fails has the last word; nothing is saved, and all is removed", async () => {
  const daemon = provisioning({}, 1, "apt-get could not install an init and an ssh server");
  const { status, out, err } = await banger(words, { daemon });
  expect([status, out]).toEqual([1, ""]);
  expect(err).toContain(
    "banger: ubuntu-24.04 could not be provisioned: apt-get could not install an init and an ssh server\n",
  );
  expect(err).toContain("without --provision it boots with banger's own init");
  expect(daemon.methods).not.toContain("image.save");
  expect(daemon.methods.slice(-2)).toEqual(["vm.delete", "image.delete"]);
});

test("an import that fails leaves nothing, and its own error", async () => {
  const fails = () => Promise.reject(new BangerError("unavailable", "the registry does not answer"));
  const gone = () => Promise.reject(new BangerError("not_found", "there is no such image"));
  const daemon = provisioning({ "image.pull": fails, "image.delete": gone });
  const { status, err } = await banger(words, { daemon });
  expect([status, daemon.methods]).toEqual([1, ["image.name", "image.pull", "image.delete"]]);
  expect(err).toEndWith("banger: the registry does not answer\n");
});

test("Ctrl-C goes to the script, and the command ends as an interrupted one does", async () => {
  const daemon = provisioning({}, 130, "interrupted");
  expect((await banger(words, { daemon })).status).toBe(130);
  expect(daemon.methods.slice(-2)).toEqual(["vm.delete", "image.delete"]);
});

test("Ctrl-C while the disk is saved removes VM and import", async () => {
  const saving = Promise.withResolvers<void>();
  const daemon = provisioning({
    "image.save": () => {
      saving.resolve();
      return new Promise(() => {});
    },
  });
  const run = session({ daemon });
  const status = runCli(words, run.ctx);
  await saving.promise;
  run.interrupt("SIGINT");
  expect(await status).toBe(130);
  expect(daemon.methods.slice(-2)).toEqual(["vm.delete", "image.delete"]);
});
