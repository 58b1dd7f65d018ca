/**
 * Building images in system mode. bangerd.service has neither user namespaces nor setuid programs, and mmdebstrap needs
 * both: each build is a service of its own, which systemd starts when the daemon connects.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { KernelId } from "../../base/ids.ts";
import { commit, version } from "../../base/version.ts";
import type { buildImage } from "../../image/image.ts";
import { type BuilderClient, connectBuilder } from "../../rpc/rpc.ts";
import { cleanStaging } from "../../sys/sys.ts";

/** As buildImage; throws unavailable too, where systemd starts no builder or one is lost. */
export function imageBuilderAt(socket: string): typeof buildImage {
  let building = 0;
  return async (recipe, imagesDir, { mirror, kernel, signal, progress }) => {
    // Bound into the service's sandbox, so it must be there before the service is.
    await mkdir(imagesDir, { recursive: true, mode: 0o700 });
    const client = await open(socket);
    building += 1;
    try {
      await needsSameBuild(client, signal);
      const { digest } = await client.call(
        "image.build",
        {
          name: recipe.name,
          kernel: KernelId.parse(kernel.id),
          archive: mirror.archive,
          security: mirror.security ?? null,
        },
        { signal, onEvent: ({ message }) => progress(message) },
      );
      return join(imagesDir, digest);
    } finally {
      client.close();
      building -= 1;
      // A builder that was killed could not. Another's directory may have no mark of its owner yet.
      if (building === 0) {
        await cleanStaging(imagesDir, () => {
          // systemd is still ending what writes there: the next build's end, or the next daemon, removes it.
        });
      }
    }
  };
}

async function open(socket: string): Promise<BuilderClient> {
  try {
    return await connectBuilder(socket);
  } catch (error) {
    if (!(error instanceof BangerError) || error.code !== "unavailable") throw error;
    throw new BangerError("unavailable", `images cannot be built: ${error.message}`, {
      hint: "sudo banger system restart",
      cause: error,
    });
  }
}

async function needsSameBuild(client: BuilderClient, signal: AbortSignal): Promise<void> {
  const theirs = await client.call("ping", {}, { signal });
  if (theirs.version === version && theirs.commit === commit) return;
  throw new BangerError(
    "bad_version",
    `bangerd-build is ${theirs.version} (${theirs.commit}), bangerd is ${version} (${commit})`,
    { hint: "bring both to one version: sudo banger system restart" },
  );
}
