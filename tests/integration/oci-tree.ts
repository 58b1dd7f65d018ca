/** A tree on the host, described as the listing of a root in memory is. Needs root, for trees of several users. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { described, type RootListing } from "../../src/oci/testing/memory-sink.ts";

const billion = 1_000_000_000n;

interface Entry {
  line: string;
  inode: number;
}

/** Names as latin1, as everywhere in the room. Devices and FIFOs are left out, as in an import. `counts`: with those of links. */
export function listTree(root: string, { counts = false } = {}): string[] {
  const attributes = readAttributes(root);
  const entries = new Map<string, Entry>();
  const visit = (name: string) => {
    const path = Buffer.from(join(root, "/"), "latin1");
    const full = name === "" ? Buffer.from(root) : Buffer.concat([path, Buffer.from(name, "latin1")]);
    const found = lstatSync(full, { bigint: true });
    const mode = Number(found.mode) & 0o7777;
    const [mtimeS, mtimeNs] = [found.mtimeNs / billion, found.mtimeNs % billion].map(Number);
    const meta = {
      ...{ mode, uid: Number(found.uid), gid: Number(found.gid), xattrs: attributes.get(name) ?? [] },
      ...{ mtimeS: mtimeS ?? 0, mtimeNs: mtimeNs ?? 0 },
    };
    const kind = (word: string) => `${word}${counts ? `(${found.nlink})` : ""} ${described(meta)}`;
    if (found.isDirectory()) {
      entries.set(name, { line: kind("directory"), inode: 0 });
      for (const child of readdirSync(full, { encoding: "buffer" }))
        visit(`${name === "" ? "" : `${name}/`}${child.toString("latin1")}`);
    } else if (found.isSymbolicLink()) {
      const target = readlinkSync(full, { encoding: "buffer" }).toString("latin1");
      entries.set(name, { line: `${kind("symlink")} -> ${target}`, inode: Number(found.ino) });
    } else if (found.isFile()) {
      const digest = createHash("sha256").update(readFileSync(full)).digest("hex");
      entries.set(name, { line: `${kind("file")} ${found.size} ${digest}`, inode: Number(found.ino) });
    }
  };
  visit("");
  const names = Map.groupBy(entries, ([, { inode }]) => inode);
  return [...entries]
    .map(([name, { line, inode }]) => {
      const links = inode === 0 ? [] : (names.get(inode) ?? []).map(([other]) => other).sort();
      return `/${name} ${line}${links.length > 1 ? ` = ${links.join(" ")}` : ""}`;
    })
    .sort();
}

type Attributes = { name: string; value: Uint8Array }[];

/** By getfattr(1), which names bytes that are not printable in octal. */
function readAttributes(root: string): Map<string, Attributes> {
  const run = Bun.spawnSync([
    "getfattr",
    "-R",
    "-h",
    "-P",
    "-d",
    "-m",
    "-",
    "-e",
    "hex",
    "--absolute-names",
    root,
  ]);
  const found = new Map<string, Attributes>();
  let current: Attributes = [];
  for (const line of run.stdout.toString("latin1").split("\n")) {
    const file = /^# file: (.*)$/.exec(line)?.[1];
    if (file !== undefined) {
      current = [];
      const path = file.replace(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      );
      found.set(path.slice(root.length).replace(/^\//, ""), current);
    }
    const [, name, hex] = /^([^=#]+)=0x([0-9a-f]*)$/.exec(line) ?? [];
    if (name !== undefined) current.push({ name, value: Buffer.from(hex ?? "", "hex") });
  }
  return found;
}

/**
 * A root in short: `d/` is a directory, `f=text` a file, `s->t` a symlink, `a==b` says that two names are one file, in
 * the order of names.
 */
export function shapeOf(root: RootListing): string[] {
  const shape: string[] = [];
  for (const line of root.lines()) {
    const [, path = "", kind = "", rest = ""] = /^\/(.*?) (directory|file|symlink) (.*)$/s.exec(line) ?? [];
    const links = / = (.*)$/.exec(rest)?.[1]?.split(" ") ?? [];
    if (path !== "" && kind === "directory") shape.push(`${path}/`);
    if (kind === "file") shape.push(`${path}=${root.text(path)}`);
    if (kind === "symlink") shape.push(`${path}->${/-> (.*?)(?: = .*)?$/s.exec(rest)?.[1]}`);
    for (const other of links) if (path < other) shape.push(`${path}==${other}`);
  }
  return shape.sort();
}
