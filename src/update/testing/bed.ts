/** Releases of small scripts, signed by a key of the test's own, on a loopback server; and an installation whose services only remember. */
import { expect } from "bun:test";
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type BangerError, toBangerError } from "../../base/base.ts";
import { currentVersion, type InstalledPlace } from "../../config/config.ts";
import { placeBelow } from "../../config/installed.ts";
import { tarEnd, tarHeader, tarPadding } from "../../tar/tar.ts";
import { runUpdate, type UpdateRequest, type UpdateWorld } from "../run-update.ts";
import type { Services, UnderWay } from "../services.ts";

export const date = "2026-11-20T10:00:00Z";
export const commit = "01234567";

export interface Served {
  tarball: Buffer;
  sums: Buffer;
  sig: Buffer;
}

export class Bed {
  readonly dir = mkdtempSync(join(tmpdir(), "banger-update-"));
  readonly place: InstalledPlace = placeBelow(this.dir);
  readonly updates = join(this.place.library, "updates");
  readonly keys = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  /** Path -> what the server gives for it. */
  readonly files = new Map<string, Buffer | (() => Response)>();
  readonly asked: string[] = [];
  manifest: { schema_version: number; latest_stable: string | null; releases: Record<string, object> } = {
    ...{ schema_version: 1, latest_stable: null, releases: {} },
  };
  /** What the services were told, and what runs. */
  readonly done: string[] = [];
  runs = "";
  operations: UnderWay[] = [];
  failing: string[] = [];
  /** Called before each effect on the services: a test throws here. */
  before: (effect: string) => void = () => {};
  /** By program: what its --check-migrations ends with. */
  fitness = 0;
  readonly said: string[] = [];
  /** Bytes that were there, of how many. */
  readonly downloaded: [number, number][] = [];
  #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const path = new URL(request.url).pathname.slice(1);
      this.asked.push(path);
      const found =
        path === "manifest.json" && !this.files.has(path)
          ? Buffer.from(JSON.stringify(this.manifest))
          : this.files.get(path);
      if (found === undefined) return new Response(null, { status: 404 });
      return typeof found === "function" ? found() : new Response(new Uint8Array(found));
    },
  });

  constructor() {
    mkdirSync(join(this.dir, "bin"));
    mkdirSync(this.place.versions, { recursive: true });
    this.install("1.2.0");
    this.release("1.2.0", { date: "2026-11-01T10:00:00Z" });
    this.release("1.3.0");
  }

  url(path: string): string {
    return `${this.#server.url}${path}`;
  }

  /** Writes down each of its runs. */
  script(version: string, { says = version, doctor = '{"results":[]}' } = {}): string {
    return `#!/bin/sh
echo "${version} $*" >> '${this.dir}/ran'
case $1 in
  --version) echo "banger v${says} (commit ${commit}, built ${date})" ;;
  doctor) echo '${doctor}' ;;
esac
`;
  }

  install(version: string): void {
    const name = `${version}-${commit}`;
    mkdirSync(join(this.place.versions, name), { recursive: true });
    writeFileSync(join(this.place.versions, name, "banger"), this.script(version), { mode: 0o755 });
    rmSync(this.place.link, { force: true });
    symlinkSync(join(this.place.versions, name, "banger"), this.place.link);
    this.runs = name;
  }

  /** Makes it the latest, whichever version it is. */
  release(
    version: string,
    how: {
      program?: string;
      date?: string;
      sums?: (text: string) => string;
      tarball?: Buffer;
      key?: KeyObject;
    } = {},
  ): Served {
    const tarball = how.tarball ?? archive([["banger", how.program ?? this.script(version)]]);
    const name = `banger-${version}-linux-amd64.tar.gz`;
    const sum = createHash("sha256").update(tarball).digest("hex");
    const text = `# banger ${version}\n# date ${how.date ?? date}\n${sum}  ${name}\n`;
    const sums = Buffer.from((how.sums ?? ((same: string) => same))(text), "latin1");
    const sig = Buffer.from(`${sign("sha256", sums, how.key ?? this.keys.privateKey).toString("base64")}\n`);
    const served = { tarball, sums, sig };
    this.serve(version, served);
    this.manifest.latest_stable = version;
    return served;
  }

  /** Under the names of that version, whatever they are of. */
  serve(version: string, { tarball, sums, sig }: Served): void {
    const names = {
      ...{ tarball: `${version}/banger-${version}-linux-amd64.tar.gz`, sums: `${version}/SHA256SUMS` },
      sig: `${version}/SHA256SUMS.sig`,
    };
    this.files.set(names.tarball, tarball).set(names.sums, sums).set(names.sig, sig);
    this.manifest.releases[version] = { ...names, date };
  }

  of(version: string): Served {
    const get = (name: string) => this.files.get(`${version}/${name}`) as Buffer;
    const tarball = get(`banger-${version}-linux-amd64.tar.gz`);
    return { tarball, sums: get("SHA256SUMS"), sig: get("SHA256SUMS.sig") };
  }

  update(request: Partial<UpdateRequest> = {}, world: Partial<UpdateWorld> = {}) {
    return runUpdate(
      {
        ...{ check: false, to: undefined, dryRun: false, force: false, ...request },
        manifestUrl: request.manifestUrl ?? new URL(this.url("manifest.json")),
        publicKey:
          request.publicKey ?? this.keys.publicKey.export({ type: "spki", format: "pem" }).toString(),
      },
      {
        executable: join(this.place.versions, `1.2.0-${commit}`, "banger"),
        version: "1.2.0",
        uid: process.getuid?.() ?? 0,
        env: {},
        services: async () => this.services,
        failing: async () => this.failing,
        asRoot: "sudo banger update",
        now: () => new Date("2026-12-01T00:00:00Z"),
        say: (line) => void this.said.push(line),
        downloaded: (done, total) => void this.downloaded.push([done, total]),
        signal: new AbortController().signal,
        ...world,
      },
    );
  }

  readonly services: Services = {
    mode: "user",
    exclusively: (work) => work(),
    operations: async () => this.operations,
    stateTask: async (program, word) => {
      this.#do(`${word} of ${program.split("/").at(-2)}`);
      return { status: word === "--check-migrations" ? this.fitness : 0, said: "the database is odd" };
    },
    stop: async () => this.#do("stop"),
    adopt: async ({ version }) => this.#do(`adopt ${version}`),
    bringUp: async (_program, { version }) => {
      this.#do(`bring up ${version}`);
      this.runs = currentVersion(this.place) ?? "nothing";
    },
    afterwards: async () => this.#do("afterwards"),
  };

  #do(effect: string): void {
    this.before(effect);
    this.done.push(effect);
  }

  /** Which programs were run, as "VERSION WORDS". */
  ran(): string[] {
    const path = join(this.dir, "ran");
    return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  }

  /** Versions there are, which one the link leads to, which one runs, and what is kept of updates. */
  state() {
    const kept = existsSync(this.updates) ? readdirSync(this.updates) : [];
    return {
      versions: readdirSync(this.place.versions).sort(),
      current: currentVersion(this.place),
      runs: this.runs,
      kept: kept.filter((name) => name !== "seen.json").sort(),
    };
  }

  end(): void {
    this.#server.stop(true);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export const only = (version: string) => ({
  ...{ versions: [`${version}-${commit}`], current: `${version}-${commit}`, runs: `${version}-${commit}` },
  kept: [] as string[],
});

/** Of files, or of a link for [name, null]. */
export function archive(members: readonly (readonly [string, string | null])[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const [name, content] of members) {
    const path = Buffer.from(name);
    if (content === null) {
      const kind = "symlink" as const;
      parts.push(
        tarHeader({ path, kind, mode: 0o777, size: 0, mtimeS: 0, linkTarget: Buffer.from("/bin/sh") }),
      );
      continue;
    }
    const bytes = Buffer.from(content);
    const header = tarHeader({ path, kind: "file", mode: 0o755, size: bytes.length, mtimeS: 0 });
    parts.push(header, bytes, Buffer.alloc(tarPadding(bytes.length)));
  }
  return gzipSync(Buffer.concat([...parts, tarEnd]));
}

/** The error that it ends with. */
export async function failure(what: Promise<unknown>): Promise<BangerError> {
  return toBangerError(
    await what.then(
      () => new Error("it went well"),
      (error: unknown) => error,
    ),
  );
}

/** The update ends with an error that says `why`, and it is as if it had not been called. */
export async function refused(bed: Bed, why: RegExp, request: Partial<UpdateRequest> = {}): Promise<void> {
  const error = await failure(bed.update(request));
  expect(error.message).toMatch(why);
  expect(["corrupt", "denied", "not_found", "bad_version"]).toContain(error.code);
  expect(bed.state()).toEqual(only("1.2.0"));
  // The installed program is asked which it is; nothing else was run.
  expect(bed.ran().filter((line) => !line.startsWith("1.2.0 "))).toEqual([]);
  expect(bed.done).toEqual([]);
}
