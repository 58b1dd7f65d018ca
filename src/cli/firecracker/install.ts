/** banger firecracker install */
import { join } from "node:path";
import { systemFirecracker, userPaths } from "../../config/paths.ts";
import { defineCommand } from "../command.ts";
import { json, text } from "../flags.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "download Firecracker and its jailer, checked against a pinned sha256",
  details:
    "Takes the official release archive from GitHub. As root it goes to /usr/local/lib/banger/firecracker, where the system services look first; as a user to banger's state directory. An installed version stays beside the new one.",
  examples: [
    { command: "firecracker install", note: "the version that banger is tested with" },
    {
      command: "firecracker install --version 1.14.1 --sha256 HEX",
      note: "another one, whose sha256 you looked up",
    },
  ],
  args: {},
  flags: {
    version: text("VERSION", "another version than the default"),
    sha256: text("HEX", "sha256 of the archive, for a version that banger knows none of"),
    json: json(),
  },
  interrupted: "nothing is installed, and what was there stays",
  run: async ({ version, sha256, json: asJson }, ctx) => {
    const { firecrackerReleases, installFirecracker } = await import("../../release/release.ts");
    const root = process.getuid?.() === 0;
    const directory = root ? systemFirecracker : join(userPaths(ctx.env).state, "firecracker");
    ctx.note(`fetching Firecracker ${version ?? firecrackerReleases.default}`);
    const installed = await installFirecracker({ version, sha256, directory, signal: ctx.signal });
    ctx.note(installed.fetched ? `Firecracker ${installed.version} is installed` : "it was there already");
    printResult(ctx, asJson, installed, installed.firecracker, installed.jailer);
    return undefined;
  },
});
