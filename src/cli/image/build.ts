/** banger image build */
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { BangerError, toBangerError } from "../../base/base.ts";
import { userPaths } from "../../config/paths.ts";
import { defineCommand, Quiet } from "../command.ts";
import type { Context } from "../context.ts";
import { json, readArtifactName, specFlags, text } from "../flags.ts";
import { statusOf } from "../interrupts.ts";
import { matching, required } from "../option.ts";
import { startProgress } from "../output/progress.ts";
import { printResult } from "../output/table.ts";
import { runVm } from "../run/run-vm.ts";
import { contextPath, openContext } from "./open-context.ts";

const { image, vcpu, memory, diskSize } = specFlags;

export const command = defineCommand({
  summary: "build an image by a Dockerfile, inside a VM",
  details:
    "All of DIR goes into a VM of its own, which has the network; docker there (or buildah) builds by the Dockerfile, what comes out is imported as image pull does it, and the VM goes. Nothing of the Dockerfile runs on this host. The VM's image must have docker or buildah; banger's own has.",
  examples: [
    { command: "image build -t tools ./tools", note: "then: banger vm run --image tools" },
    { command: "image build -t tools --file Dockerfile.dev .", note: "by another file" },
  ],
  args: {
    dir: required(
      { description: "the directory of the build", completes: "directory" },
      matching(/./s, "is empty"),
    ),
  },
  flags: {
    tag: required(
      { value: "NAME", description: "the image's name in the store", short: "t" },
      readArtifactName,
    ),
    file: text("NAME", "the file that says how, in DIR (default: Dockerfile)", "f"),
    ...{ image, vcpu, memory, diskSize },
    json: json(),
  },
  interrupted: "no image is made",
  run: async ({ tag, dir, file = "Dockerfile", json: asJson, ...spec }, ctx) => {
    const client = await ctx.client();
    const images = await client.call("image.list", { available: false }, { signal: ctx.signal });
    if (images.some(({ name }) => name === tag)) {
      throw new BangerError("already_exists", `there is an image ${tag} already`, {
        hint: `give this one another name, or remove that one: banger image delete ${tag}`,
      });
    }
    const kept = await makeKeep(ctx);
    try {
      const archive = join(kept, "image.tar");
      const directory = resolve(ctx.cwd, dir);
      // In the guest the directory has another path.
      const inside = isAbsolute(file) ? relative(directory, file) : file;
      await buildInto(archive, { ctx, directory, file: inside, spec });
      const progress = startProgress(ctx);
      try {
        const request = {
          ref: `docker-archive:${archive}`,
          name: tag,
          recordedAs: `build of ${resolve(ctx.cwd, dir)}`,
        };
        const built = await client.call("image.pull", request, {
          signal: ctx.signal,
          onEvent: (event) => progress.event(event),
        });
        progress.end(`${built.name} ready`);
        printResult(ctx, asJson, built, built.name);
      } finally {
        progress.end();
      }
    } finally {
      await rm(kept, { recursive: true, force: true });
    }
    return undefined;
  },
});

/** A directory of the user's that the daemon can read, too: the system's has no part in /tmp. */
async function makeKeep(ctx: Context): Promise<string> {
  const { cache } = userPaths(ctx.env);
  await mkdir(cache, { recursive: true, mode: 0o700 });
  for (const name of await readdir(cache)) {
    const pid = /^build-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid)))
      await rm(join(cache, name), { recursive: true, force: true });
  }
  return await mkdtemp(join(cache, `build-${process.pid}-`));
}

/** Of a build that was killed nothing else would ever be removed. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

interface Build {
  ctx: Context;
  directory: string;
  file: string;
  spec: Pick<Parameters<typeof runVm>[1]["spec"], "image" | "vcpu" | "memory" | "diskSize">;
}

/** What is said goes to stderr; what comes out on stdout is the image. */
const script = `cd ${contextPath} || exit
if command -v docker >/dev/null; then
  docker build -t banger-build -f "$1" . >&2 && docker save banger-build
elif command -v buildah >/dev/null; then
  buildah bud -t banger-build -f "$1" . >&2 && buildah push -q banger-build docker-archive:/var/tmp/banger-build:banger-build >&2 && cat /var/tmp/banger-build
else
  echo 'this image has neither docker nor buildah: give one that has, by --image' >&2
  exit 127
fi`;

async function buildInto(archive: string, { ctx, directory, file, spec }: Build): Promise<void> {
  const out = createWriteStream(archive, { flags: "wx", mode: 0o600 });
  // Its error is told by whoever waits for its end.
  out.on("error", () => {});
  const tty = { ...ctx.tty, stdin: false, stdout: false };
  const outcome = await runVm(
    { ...ctx, stdin: Readable.from([]), stdout: out, tty },
    {
      spec: { ...spec, name: undefined, nat: true, cold: false },
      workspace: () => openContext(directory, file, ctx.signal),
      argv: ["sh", "-c", script, "build", file],
      bare: true,
      remove: true,
    },
  ).finally(async () => {
    out.end();
    await finished(out).catch((error: unknown) => {
      throw toBangerError(error);
    });
  });
  if ("interrupted" in outcome) throw new Quiet(statusOf(outcome.interrupted));
  // What an interrupt makes of docker; a RUN that fails is a 1 of it.
  if (outcome.status === statusOf("SIGINT")) {
    ctx.err("interrupted: no image is made");
    throw new Quiet(outcome.status);
  }
  if (outcome.status === 0) return;
  throw new BangerError("operation_failed", `the build in the VM ended with status ${outcome.status}`, {
    hint: "what it said is above; nothing was imported",
  });
}
