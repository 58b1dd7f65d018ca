/** banger update */
import { readFileSync } from "node:fs";
import { BangerError } from "../base/base.ts";
import type { Told, Updated } from "../update/update.ts";
import { defineCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { hidden, json, text, toggle } from "./flags.ts";
import { matching, optional } from "./option.ts";
import { type Progress, startProgress } from "./output/progress.ts";
import { printResult } from "./output/table.ts";
import { sudoLine } from "./system/sudo-line.ts";

export const command = defineCommand({
  summary: "bring banger itself to another version; running VMs go on",
  details:
    "Asks where releases are for the latest, verifies its signature and its checksum, and only then runs anything of it. The new version takes the place of the old one in one step, its services (or the daemon) are started and must answer, and its doctor must find nothing worse than before: else everything goes back, with the reason. It waits for nobody: while others have commands under way it is refused. Nothing is asked for but by this command. With services it needs root, for all but --check.",
  examples: [
    { command: "update --check", note: "is there a newer one?" },
    { command: "update", note: "to the latest (with sudo, where the services are installed)" },
    { command: "update --to v1.2.3", note: "to that one, also when it is older" },
    { command: "update --dry-run", note: "download and verify it, and stop there" },
  ],
  args: {},
  flags: {
    check: toggle("only say in one line what is installed, and what there is"),
    to: optional(
      { value: "VERSION", description: "another version than the latest; also an older one" },
      matching(/^v?[0-9][0-9A-Za-z.-]{0,63}$/, "is no version, as v1.2.3 is"),
    ),
    dryRun: toggle("all but the change itself: download, verify, unpack, and look whether it would run"),
    force: toggle("also while others have commands under way, which are cut off"),
    manifestUrl: hidden(text("URL", "of the list of releases, in place of the released one")),
    pubkeyFile: hidden(text("FILE", "with the key to verify by, in place of the one in banger")),
    json: json(),
  },
  interrupted: "the version that was installed is installed",
  run: async ({ check, to, dryRun, force, manifestUrl, pubkeyFile, json: asJson }, ctx) => {
    if (check && (dryRun || force)) {
      throw new BangerError(
        "bad_request",
        "--check changes nothing, and goes without --dry-run and --force",
        {
          hint: "see: banger update --help",
        },
      );
    }
    const again = [
      ...(to === undefined ? [] : ["--to", to]),
      ...(dryRun ? ["--dry-run"] : []),
      ...(force ? ["--force"] : []),
    ];
    const request = {
      ...{ check, dryRun, force, to: to?.replace(/^v/, "") },
      manifestUrl: manifestUrl === undefined ? undefined : readUrl(manifestUrl),
      publicKey: pubkeyFile === undefined ? undefined : readKey(pubkeyFile),
    };
    const told = teller(ctx);
    try {
      const updated = await ctx.update(request, sudoLine(ctx, ["update", ...again]), told);
      printResult(ctx, asJson, updated, line(updated));
    } finally {
      told.end();
    }
    return undefined;
  },
});

/** The download is shown as it goes on, until the next line, or `end`. */
function teller(ctx: Context): Told & { end(): void } {
  let progress: Progress | undefined;
  const end = () => {
    progress?.end();
    progress = undefined;
  };
  return {
    end,
    say: (text) => {
      end();
      ctx.note(text);
    },
    downloaded: (done, total) => {
      progress ??= startProgress(ctx);
      const status = done < total ? "progress" : "done";
      progress.event({ kind: "stage", stage: "release", status, done, total, unit: "bytes" });
    },
  };
}

function line({ outcome, installed, version, date }: Updated): string {
  const signed = `signed on ${date.slice(0, 10)}`;
  return {
    current: `v${installed} is installed, which is the latest (${signed})`,
    available: `v${version} is to be had (${signed}); v${installed} is installed`,
    ready: `v${version} is verified, and would work here; nothing was changed: v${installed} is installed`,
    updated: `v${version} is installed (${signed})`,
  }[outcome];
}

function readUrl(text: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new BangerError("bad_request", `--manifest-url ${JSON.stringify(text)}: is no address`);
}

function readKey(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new BangerError("bad_request", `--pubkey-file ${JSON.stringify(path)}: cannot be read`, { cause });
  }
}
