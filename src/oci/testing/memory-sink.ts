/** A root file system as text: one line for each name, sorted, by which two of them are compared. */
import { createHash } from "node:crypto";
import type { FileSink } from "../../tar/tar.ts";
import type { ContentSink, Metadata, RootSink } from "../oci.ts";

export interface RootListing extends RootSink<string> {
  /** For the content of layer `layer`. */
  contents(layer: number): ContentSink;
  /** The lines; with the name alone, where only names matter. */
  lines(): string[];
  names(): string[];
  /** A file's content, for small ones. */
  text(path: string): string | undefined;
}

interface Node {
  line: string;
  links: string[];
  text?: string;
}

interface Content {
  sizeBytes: number;
  sha256: string;
  text: string;
  taken?: boolean;
}

const empty: Content = { sizeBytes: 0, sha256: createHash("sha256").digest("hex"), text: "" };

function contentOf(sizeBytes: number, done: (content: Content) => void): FileSink {
  const hash = createHash("sha256");
  const kept: Uint8Array[] = [];
  let size = 0;
  return {
    write: (chunk) => {
      size += chunk.length;
      hash.update(chunk);
      if (size <= 4096) kept.push(Uint8Array.from(chunk));
    },
    hole: (bytes) => {
      size += bytes;
      for (let left = bytes; left > 0; left -= 65536) hash.update(Buffer.alloc(Math.min(left, 65536)));
    },
    close: () => {
      if (size !== sizeBytes) throw new Error(`a file has ${size} bytes, not ${sizeBytes}`);
      done({ sizeBytes, sha256: hash.digest("hex"), text: Buffer.concat(kept).toString("latin1") });
    },
  };
}

export function rootListing(): RootListing {
  const contents = new Map<number, Content[]>();
  const nodes = new Map<string, Node>();
  const pathOf = (parent: string, name: string) => (parent === "" ? name : `${parent}/${name}`);
  const add = (name: string, line: string): Node => {
    if (nodes.has(name)) throw new Error(`${name} was added twice`);
    const parent = name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
    if (name !== "" && nodes.get(parent)?.line.startsWith("directory") !== true)
      throw new Error(`${name} came before ${parent}`);
    const node = { line, links: [name] };
    nodes.set(name, node);
    return node;
  };
  const addDirectory = (path: string, meta: Metadata) => {
    add(path, `directory ${described(meta)}`);
    return path;
  };
  return {
    contents: (layer) => ({
      begin: (sizeBytes) =>
        contentOf(sizeBytes, (content) => contents.set(layer, [...(contents.get(layer) ?? []), content])),
    }),
    root: (meta) => addDirectory("", meta),
    addDirectory: (parent, name, meta) => addDirectory(pathOf(parent, name), meta),
    addFile: (parent, name, meta, sizeBytes, from) => {
      const path = pathOf(parent, name);
      const content = from === undefined ? empty : contents.get(from.layer)?.[from.number];
      if (content?.sizeBytes !== sizeBytes) throw new Error(`${path} has another content than it should`);
      if (content.taken === true) throw new Error(`${path} has the content of another file`);
      if (content !== empty) content.taken = true;
      add(path, `file ${described(meta)} ${sizeBytes} ${content.sha256}`).text = content.text;
    },
    addSymlink: (parent, name, target, meta) =>
      void add(
        pathOf(parent, name),
        `symlink ${described(meta)} -> ${Buffer.from(target).toString("latin1")}`,
      ),
    addHardLink: (parent, name, target) => {
      const path = pathOf(parent, name);
      const node = nodes.get(pathOf(target.parent, target.name));
      if (node === undefined || node.line.startsWith("directory"))
        throw new Error(`${pathOf(target.parent, target.name)} is no file`);
      nodes.set(path, node);
      node.links.push(path);
    },
    lines: () =>
      [...nodes]
        .map(
          ([name, { line, links }]) =>
            `/${name} ${line}${links.length > 1 ? ` = ${[...links].sort().join(" ")}` : ""}`,
        )
        .sort(),
    names: () => [...nodes.keys()].filter((name) => name !== "").sort(),
    text: (path) => nodes.get(path)?.text,
  };
}

/** As an ext4 or a tree on the host is described too. */
export function described({ mode, uid, gid, mtimeS, mtimeNs, xattrs }: Metadata): string {
  const attributes = [...xattrs]
    .map(({ name, value }) => ` ${name}=${Buffer.from(value).toString("hex")}`)
    .sort()
    .join("");
  const fraction = mtimeNs === 0 ? "" : `.${String(mtimeNs).padStart(9, "0")}`;
  return `${mode.toString(8)} ${uid}:${gid} @${mtimeS}${fraction}${attributes}`;
}
