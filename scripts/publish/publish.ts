/** Publishing: pack, upload, ask whether it is there, write it into the catalog. Each part may be done again: bundles are the same whenever they are made. */
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { BangerError, formatBytes } from "../../src/base/base.ts";
import type { PackedBundle } from "../../src/bundle/bundle.ts";
import { kernelCatalog } from "../../src/catalog/catalog.ts";
import { type CatalogFile, openCatalog, type Publication } from "./catalog-file.ts";
import { type PublishOptions, parseOptions, usage } from "./options.ts";
import { runScript } from "./script.ts";
import { type Signer, signer } from "./sign.ts";
import { type Stored, storedArtifact } from "./store.ts";
import { type Target, targetOf } from "./target.ts";

export interface Kind {
  word: "image" | "kernel";
  entries: "images" | "kernels";
  load(stored: Stored): Promise<
    Pick<Publication, "entry" | "revision"> & {
      pack(packing: { into: string; level: number; signal: AbortSignal }): Promise<PackedBundle>;
    }
  >;
}

/** With this process's arguments; ends it. */
export function runPublish(kind: Kind): Promise<never> {
  return runScript("publish", usage(kind.word), parseOptions, (options) => publish(kind, options));
}

async function publish(kind: Kind, options: PublishOptions): Promise<void> {
  const { name, url, level } = options;
  const key = options.signKey === undefined ? undefined : signer(options.signKey);
  const catalog = await openCatalog(options.catalog, key);
  checkPlaces(catalog, options);
  const target = targetOf(options.to, options.rclone);
  const stored = storedArtifact(kind.word, name, options.banger);
  const { entry, revision, pack } = await kind.load(stored);
  const publication: Publication = {
    ...{ entries: kind.entries, entry, revision, description: options.description },
    firstDescription: stored.description.slice(0, 200),
  };
  catalog.check(publication);
  const work = await target.workDirectory();
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort());
  try {
    say(`packing ${kind.word} ${name} at level ${level}${level > 9 ? ", which takes minutes" : ""}`);
    const { path, ...packed } = await pack({ into: work, level, signal: stop.signal });
    say(`${packed.name}: ${formatBytes(packed.size)}, unpacked ${formatBytes(packed.unpackedBytes)}`);
    say(`putting it to ${target.shown}`);
    await target.put({ ...packed, path });
    const at = url === undefined ? undefined : new URL(packed.name, url);
    if (at !== undefined) await checkServed(at, packed.size);
    const { sha256, size, unpackedBytes } = packed;
    await catalog.write(publication, { url: at?.href ?? packed.name, sha256, size, unpackedBytes });
    say(
      `${catalog.path} lists it${key === undefined || catalog.own ? "" : `, signed in ${catalog.path}.sig`}`,
    );
    for (const line of whatNext(entry, catalog, target, key)) say(line);
    process.stdout.write(`${packed.name}\n`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function checkPlaces({ own, path }: CatalogFile, { url, signKey }: PublishOptions): void {
  if (!own) return;
  if (url === undefined) {
    throw new BangerError(
      "usage",
      `${path} is banger's own catalog, which is in the executable: nothing is beside it`,
      {
        hint: "say where the bundle will be: --url BASE",
      },
    );
  }
  if (signKey !== undefined) {
    throw new BangerError(
      "usage",
      `${path} is banger's own catalog, which is in the executable: nobody checks a signature`,
      {
        hint: "leave out --sign-key",
      },
    );
  }
}

/** Throws unavailable when it is not there, or of another size. */
async function checkServed(at: URL, size: number): Promise<void> {
  const again =
    "the upload is done and not done again: put it right where it is served, then run this once more";
  const answer = await fetch(at, { method: "HEAD", signal: AbortSignal.timeout(30_000) }).catch(
    (cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new BangerError("unavailable", `${at.href} cannot be asked: ${why}`, { hint: again, cause });
    },
  );
  const length = answer.headers.get("content-length");
  if (answer.status !== 200 || (length !== null && Number(length) !== size)) {
    const found =
      answer.status === 200
        ? `has ${length} bytes instead of ${size}`
        : `is answered with status ${answer.status}`;
    throw new BangerError("unavailable", `${at.href} ${found}`, { hint: again });
  }
  say(`${at.href} is there`);
}

function whatNext(
  { name, kernel }: Publication["entry"],
  catalog: CatalogFile,
  target: Target,
  key: Signer | undefined,
): string[] {
  const { path, own, isNew, kernels } = catalog;
  if (own) return ["next: build banger, try the pull, and commit the catalog"];
  const next: string[] = [];
  const known =
    kernel === undefined || [...kernels, ...kernelCatalog.map((one) => one.name)].includes(kernel);
  if (!known)
    next.push(`next: publish its kernel, which no catalog has: npm run publish:kernel -- ${kernel} ...`);
  if (dirname(path) !== target.directory)
    next.push(
      `next: upload ${path}${key === undefined ? "" : ` and ${path}.sig`} to where users' [[catalog]] has it`,
    );
  if (isNew) {
    const source = `\n  [[catalog]]\n  source = "${key === undefined ? path : "https://..."}"\n`;
    const trusted = key === undefined ? "" : `  key = """\n${key.publicKey}"""\n`;
    next.push(`next: have users write into their config.toml:${source}${trusted}`);
  }
  return next.length > 0
    ? next
    : [`next: banger ${kernel === undefined ? "kernel" : "image"} pull ${name}, on another machine`];
}

/** What is done is told beside the result, which is the bundle's name. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
