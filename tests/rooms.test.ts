/** The house's rules: which room may import which, and through which door. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";

const src = join(import.meta.dir, "../src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
  (name) => name.endsWith(".ts") && !name.endsWith(".d.ts"),
);
const product = files.filter((name) => !name.endsWith(".test.ts") && !name.includes("/testing/"));

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), "utf8");
  const found = [
    ...text.matchAll(/(?:^|\n)\s*(import|export)(\s+type)?[^;'"]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/g),
  ];
  return found
    .map(([, , type, path, dynamic]) => ({
      from: file,
      to: normalize(join(dirname(file), path ?? dynamic ?? "")),
      typeOnly: type !== undefined,
    }))
    .filter(({ to }) => !to.startsWith(".."));
}

const room = (file: string) => (file.includes("/") ? (file.split("/")[0] ?? "") : "main");
const all = product.flatMap(importsOf).filter(({ from, to }) => room(from) !== room(to));

/** Rooms that a room may know, and why the others are none of its business. */
const allowed: Record<string, { may: string[]; because: string }> = {
  base: { may: [], because: "base is words that everybody shares: it knows nobody" },
  sys: { may: ["base"], because: "sys touches the kernel for others; it has no idea what for" },
  pipeline: { may: ["base"], because: "the pipeline knows no VMs" },
  config: { may: ["base"], because: "config says what the user wants, not what is done with it" },
  state: { may: ["base", "pipeline"], because: "rows do not know what they are for" },
  apt: { may: ["base", "sys"], because: "packages are data" },
  project: {
    may: ["base", "repo", "config"],
    because: "what a repository asks for is read, and is nobody's to do yet",
  },
  repo: { may: ["base", "tar"], because: "the host repository is read in the CLI's own process" },
  disk: { may: ["base", "sys", "ext4"], because: "disks know no VMs" },
  tar: { may: ["base"], because: "an archive is bytes; what becomes of its entries is for others" },
  trees: { may: ["base", "tar"], because: "trees are files and archives; who sends them where is above" },
  packed: { may: ["base"], because: "what is unpacked, and how much of it is too much, others know" },
  names: { may: [], because: "a table of names does not know whose names they are" },
  ext4: {
    may: ["base", "names", "tar"],
    because: "a file system is filled through a descriptor; whose disk it is, it does not know",
  },
  download: { may: ["base", "sys"], because: "a blob is bytes with a digest; what it is of, others know" },
  catalog: {
    may: ["base", "sys", "download"],
    because: "a catalog says what there is; who fetches it is above",
  },
  bundle: {
    may: ["base", "sys", "packed", "tar", "download"],
    because: "a bundle is files of certain names; which store they go into is above",
  },
  oci: {
    may: ["base", "names", "sys", "packed", "tar", "download"],
    because: "container images are bytes; who stores and boots them is above",
  },
  net: { may: ["base"], because: "plans of the network touch nothing: the helper carries them out" },
  warm: { may: ["base", "sys"], because: "templates are files; who makes and uses them is the domain's" },
  guest: { may: ["base"], because: "a session does not know what carries its bytes" },
  vmm: { may: ["base", "sys", "disk"], because: "a driver knows machines and their files, not VMs" },
  dns: { may: ["base"], because: "a name server answers questions; what a name means others know" },
  kernel: { may: ["base", "sys", "packed", "apt", "catalog", "bundle"], because: "kernels are artifacts" },
  image: {
    may: ["base", "sys", "apt", "disk", "ext4", "download", "oci", "catalog", "bundle"],
    because: "images are artifacts",
  },
  host: {
    may: ["base", "sys", "config", "pipeline"],
    because: "the host room describes the host, and installs on it; it knows no VMs",
  },
  update: {
    may: ["base", "sys", "config", "host", "download", "release", "rpc"],
    because: "an update replaces what is installed, with no daemon's help",
  },
  release: { may: ["base", "sys", "packed"], because: "a release is fetched and checked, not run" },
  rpc: { may: ["base", "sys", "config"], because: "rpc does not know what its methods do" },
  vm: {
    may: ["base", "sys", "pipeline", "state", "disk", "guest", "trees", "vmm", "warm"],
    because: "the domain is above its tools and below the daemon",
  },
  doctor: {
    may: ["base", "sys", "config", "apt", "vmm", "catalog", "kernel", "image", "net", "host", "rpc"],
    because:
      "the doctor looks at the host by the rooms' own probes; what only a daemon knows it asks one that runs",
  },
  daemon: {
    may: [
      "base",
      "sys",
      "pipeline",
      "state",
      "config",
      "apt",
      "disk",
      "guest",
      "trees",
      "vmm",
      "kernel",
      "image",
      "catalog",
      "download",
      "dns",
      "oci",
      "host",
      "net",
      "release",
      "rpc",
      "vm",
      "warm",
    ],
    because: "the daemon composes rooms; the CLI is not one of its parts",
  },
  cli: {
    may: ["base", "rpc", "config", "repo", "project", "trees", "host", "release", "doctor", "update"],
    because: "the CLI speaks to the daemon by its socket, and has no back door into it",
  },
  builder: {
    may: ["base", "rpc", "config", "apt", "catalog", "kernel", "image", "release"],
    because: "what runs outside of the daemon's sandbox must stay small",
  },
  helper: { may: ["base", "rpc", "sys", "config", "net"], because: "what runs as root must stay small" },
  main: { may: ["base", "cli", "daemon", "helper", "builder"], because: "main only chooses who it is" },
};

test("imports between rooms point downwards only", () => {
  const wrong = all
    .filter(({ from, to }) => !allowed[room(from)]?.may.includes(room(to)))
    .map(
      ({ from, to }) =>
        `${from} imports ${to}: ${allowed[room(from)]?.because ?? "the room is not in the table"}`,
    );
  expect(wrong).toEqual([]);
});

/** Before the services are there, there is no daemon to ask: installing them is root's own work. */
const pastTheDaemon = /^cli\/(system\/|context\.ts$)/;

test("of the CLI, only the system commands go past the daemon", () => {
  const wrong = all.filter(
    ({ from, to }) => room(from) === "cli" && room(to) === "host" && !pastTheDaemon.test(from),
  );
  expect(wrong).toEqual([]);
});

/** The doctor is for hosts on which no daemon runs, or can. */
const pastTheDoctor =
  /^cli\/(context|process-context|doctor|doctor\/mend|output\/report|system\/this-update)\.ts$/;

test("of the CLI, only the process's own context examines the host", () => {
  const wrong = all.filter(
    ({ from, to, typeOnly }) =>
      room(from) === "cli" &&
      room(to) === "doctor" &&
      !(pastTheDoctor.test(from) && (typeOnly || /process|this-update/.test(from))),
  );
  expect(wrong).toEqual([]);
});

/** Doors beside a room's face, each with its reason. */
const sideDoors: Record<string, string> = {
  "base/ids.ts": "schemas, which the face does without, because a command that only calls needs none",
  "base/vm.ts": "as above",
  "base/version.ts": "stamped values, read before anything is loaded",
  "rpc/contract.ts": "types for the CLI, which must not load the server",
  "rpc/client.ts": "the client without the server",
  "rpc/ask.ts": "the client without the server",
  "rpc/ensure-daemon.ts": "the client without the server",
  "rpc/choose-daemon.ts": "the client without the server",
  "config/paths.ts": "paths without the schema",
  "config/install.ts": "install.toml without the schema of config.toml",
  "config/installed.ts": "where an installed banger lies, without the schema of config.toml",
  "config/toml-text.ts": "TOML without the schema of config.toml",
  "host/embedded.ts": "embedded files only",
  "cli/main.ts": "entry",
  "daemon/main.ts": "entry",
  "helper/main.ts": "entry",
  "builder/main.ts": "entry",
  "rpc/helper-contract.ts": "types for the helper's operations, which need no connection",
  "daemon/lifecycle/log.ts": "types",
};

test("rooms are entered by their face", () => {
  const wrong = all
    .filter(({ to }) => basename(to, ".ts") !== room(to) && !(to in sideDoors))
    .map(({ from, to }) => `${from} goes into ${to} past the room's face`);
  expect(wrong).toEqual([]);
});

test("every room has a face that says what it owns", () => {
  const rooms = [...new Set(product.map(room))].filter(
    (name) => !["main", "cli", "daemon", "helper", "builder"].includes(name),
  );
  for (const name of rooms) expect(readFileSync(join(src, name, `${name}.ts`), "utf8")).toMatch(/^\/\*\*/);
});

test("files have one purpose, and names say which", () => {
  const tooLong = files.filter((file) => readFileSync(join(src, file), "utf8").split("\n").length > 301);
  expect(tooLong).toEqual([]);
  expect(
    files.filter((file) => /(^|\/)(utils?|helpers|common|misc|lib|types|manager|index)(\.ts|\/)/.test(file)),
  ).toEqual([]);
});

test("ssh2, which is large, is loaded by nobody who might not need it", () => {
  const wrong = product.filter((file) =>
    /\bimport (?!type\b)[^;]*?from "ssh2"/.test(readFileSync(join(src, file), "utf8")),
  );
  // Which is itself loaded only where there is no OpenSSH.
  expect(wrong).toEqual(["cli/ssh/built-in.ts"]);
});

test("what others have packed is unpacked in one room, which is strict about its end", () => {
  const decoder = /from "node:zlib"|DecompressionStream|(gunzip|zstdDecompress|inflate)Sync/;
  const found = product.filter((file) => decoder.test(readFileSync(join(src, file), "utf8")));
  // A listing is of this machine's own making.
  expect(found.sort()).toEqual(["oci/layers/listing.ts", "packed/packed.ts"]);
});

/** What is loaded with `entry`: of banger's files and of packages. What a function imports when it runs is not. */
function loadedWith(...entries: string[]): string[] {
  const loaded = new Set(entries);
  for (const file of loaded) {
    if (!file.endsWith(".ts")) continue;
    const text = readFileSync(join(src, file), "utf8");
    for (const [, path = ""] of text.matchAll(
      /(?:^|\n)(?:import|export)(?! type\b)(?:[^;'"]*?from)?\s*"([^"]+)"/g,
    )) {
      loaded.add(path.startsWith(".") ? normalize(join(dirname(file), path)) : path);
    }
  }
  return [...loaded];
}

test("a command that calls the daemon loads no package: zod alone took as long as everything else", () => {
  const commands = product.filter((file) => /^cli\/(vm|image|kernel|template|daemon|internal)\//.test(file));
  const loaded = loadedWith(
    "main.ts",
    "cli/main.ts",
    "cli/ssh-config.ts",
    "rpc/ensure-daemon.ts",
    ...commands,
  );
  // A script for guests is embedded as its text.
  expect(loaded.filter((path) => !/\.(ts|sh)$|^node:/.test(path))).toEqual([]);
  // Only where the services are installed.
  const installed = loadedWith("config/install.ts");
  expect(installed.filter((path) => !/\.ts$|^node:/.test(path))).toEqual(["smol-toml"]);
});

test("nothing is left unfinished or silenced", () => {
  const pattern = new RegExp(
    [
      "TO" + "DO",
      "FIX" + "ME",
      "\\.ski" + "p\\(",
      "\\.onl" + "y\\(",
      "as an" + "y\\b",
      "@ts-(ignore|expect-error|nocheck)",
    ].join("|"),
  );
  expect(product.filter((file) => pattern.test(readFileSync(join(src, file), "utf8")))).toEqual([]);
});
