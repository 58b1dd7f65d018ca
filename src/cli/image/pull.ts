/** banger image pull */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { BangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { completing, json, readArtifactName, size, text, toggle } from "../flags.ts";
import { matching, optional, required } from "../option.ts";
import { printResult } from "../output/table.ts";
import { absoluteImage } from "./absolute-image.ts";
import { provision } from "./provision.ts";
import { pull } from "./pull-image.ts";

export const command = defineCommand({
  summary: "fetch or build an image, or import a container image; and its kernel",
  details:
    "A name of a catalog is fetched ready-made where the catalog has it so, else built here by its recipe; the first vm run does this by itself, and an image that is there already is left as it is, unless there is a newer one. Anything else is a container image: a reference (docker.io is implied), or oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE as docker save writes it. Private ones by the credentials of docker login. With --provision it is booted once, with the network, and its own package manager installs systemd (OpenRC on Alpine) and an ssh server in it; VMs of it then boot like machines, and have vm ssh.",
  examples: [
    { command: "image pull debian-bookworm", note: "get it ready now" },
    { command: "image pull docker.io/library/debian:bookworm --name deb", note: "import it from a registry" },
    { command: "image pull docker-archive:image.tar", note: "import what docker save wrote" },
    { command: "image pull localhost:5000/team/tools --size 8G", note: "with more room than it asks for" },
    { command: "image pull ubuntu:24.04 --provision", note: "with systemd and sshd" },
  ],
  args: {
    image: required(
      {
        value: "image",
        description: "a name of the catalog, or a container image",
        completes: "catalog image",
      },
      matching(/^.{1,4096}$/s, "is empty, or too long for an image"),
    ),
  },
  flags: {
    name: optional(
      { value: "NAME", description: "name in the store (default: made of the reference)", short: "n" },
      readArtifactName,
    ),
    size: size(
      "size of its root file system (default: its content and half as much again, 1G at least)",
      { bytes: 64 * 1024 ** 2, text: "64M" },
      { bytes: 16 * 1024 ** 4, text: "16T" },
    ),
    kernelRef: completing("kernel", text("KERNEL", "kernel that its VMs boot (default: the catalog's)")),
    provision: toggle("install systemd and an ssh server in it, in a VM, where it has none"),
    insecureHttp: toggle("speak plain http with its registry (with one on this machine that is done anyway)"),
    json: json(),
  },
  interrupted: "nothing half-made is left",
  run: async (
    { image, name, size: sizeBytes, kernelRef, provision: provisioned, insecureHttp, ...how },
    ctx,
  ) => {
    refuseFile(image, ctx.cwd);
    const request = {
      ref: absoluteImage(image, ctx.cwd),
      ...(name === undefined ? {} : { name }),
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
      ...(kernelRef === undefined ? {} : { kernel: kernelRef }),
      ...(insecureHttp ? { insecureHttp } : {}),
    };
    const pulled = provisioned ? await provision(ctx, request) : await pull(ctx, request);
    if (pulled.oci !== null) ctx.note(`note: ${pulled.oci.caveat}`);
    printResult(ctx, how.json, pulled, pulled.name);
    return undefined;
  },
});

/** A file that is here would be looked for at a registry. */
function refuseFile(image: string, cwd: string): void {
  const found = statSync(resolve(cwd, image), { throwIfNoEntry: false });
  if (found === undefined || !/[./]/.test(image)) return;
  const transport = found.isDirectory() ? "oci" : "docker-archive";
  throw new BangerError(
    "bad_request",
    `${image} is a ${found.isDirectory() ? "directory" : "file"} here, not the name of an image`,
    {
      hint: `say what it is: banger image pull ${transport}:${image}`,
    },
  );
}
