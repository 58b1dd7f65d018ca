/**
 * One layer, laid over those below it: the image specification's "layer" chapter, as umoci and containerd read it.
 *
 * - A name of a layer hides the same name below. Directories are laid over each other; whatever else gives way.
 * - `.wh.NAME` takes NAME of lower layers away, `.wh..wh..opq` all of its directory's. What the same layer has there
 *   stays, in whatever order they come. Other `.wh..wh.` names are AUFS's own, and nothing.
 * - A hard link may name a file of a lower layer, or a symlink, which is then linked itself; its own metadata are none.
 * - Devices and FIFOs are left out: what a guest's /dev needs, its kernel makes.
 * - A leading slash means nothing. `..` is refused in an entry's name, where no builder writes it; in a symlink's target it
 *   is followed, as far up as the root.
 */
import { BangerError } from "../../base/base.ts";
import type { ListedEntry } from "./listing.ts";
import { type MergedDirectory, type Metadata, type Ref, show, special, type Tree } from "./tree.ts";

const whiteout = ".wh.";
const opaque = ".wh..wh..opq";
const reserved = ".wh..wh.";

/** The layer is `tree.layer`; `number` says which of its entries this is. Throws corrupt for what makes no sense. */
export function applyEntry(tree: Tree, entry: ListedEntry, number: number): void {
  const { type, path, sizeBytes, content, linkTarget: target } = entry;
  const parts = partsOf(path);
  const name = parts.pop();
  if (name === undefined) {
    if (type !== "directory") throw refuse(path, "is the root, which can only be a directory");
    tree.root.metadata = metadataOf(entry);
    return;
  }
  if (name.startsWith(whiteout)) {
    applyWhiteout(tree, path, parts, name);
    return;
  }
  const parent = tree.enter(parts, entry);
  if (parent === undefined) throw new BangerError("internal", "a directory was neither found nor made");
  const from = { entry: number, hasAttributes: entry.attributes.length > 0 };
  if (type === "directory") tree.putDirectory(parent, name, metadataOf(entry));
  else if (type === "hardlink") {
    const { ref, directory, of } = linked(tree, path, target);
    // What is there gives way to the link, and what is linked would go with it.
    if (directory === parent && of === name) throw refuse(path, "is a hard link to itself");
    const there = tree.directory(tree.get(parent, name));
    if (there !== undefined && isWithin(directory, there))
      throw refuse(path, `is a hard link to ${show(target)}, which is in what it takes the place of`);
    tree.put(parent, name, ref);
  } else if (type === "symlink") tree.putLeaf(parent, name, { kind: "symlink", target, ...from });
  else if (type === "file") tree.putLeaf(parent, name, { kind: "file", sizeBytes, content, ...from });
  else tree.put(parent, name, special);
}

/** What ext4 keeps (fs/ext4/xattr.c); the others are of other systems, and mean nothing in a guest. */
const keptAttribute = /^(user\.|trusted\.|security\.|system\.posix_acl_(access|default)$)/;
/** The label that a file had under the builder's policy. */
const foreignLabel = "security.selinux";

export function metadataOf({ mode, uid, gid, mtimeS, mtimeNs, attributes }: ListedEntry): Metadata {
  const xattrs =
    attributes.length === 0
      ? attributes
      : attributes.filter(({ name }) => keptAttribute.test(name) && name !== foreignLabel);
  return { mode, uid, gid, mtimeS, mtimeNs, xattrs };
}

function applyWhiteout(tree: Tree, path: string, parts: readonly string[], name: string): void {
  const hidden = name.slice(whiteout.length);
  if (["", ".", ".."].includes(hidden))
    throw refuse(path, "takes away a directory by its own name, or its parent");
  // In a directory that is not there, there is nothing to take away.
  const parent = tree.enter(parts, undefined);
  if (parent === undefined) return;
  if (name === opaque) tree.hideLower(parent);
  else if (!name.startsWith(reserved)) tree.whiteOut(parent, hidden);
}

interface Linked {
  /** Of no directory. */
  ref: Ref;
  /** Where it is, and by which name. */
  directory: MergedDirectory;
  of: string;
}

function linked(tree: Tree, path: string, target: string): Linked {
  const parts = partsOf(target);
  const of = parts.pop();
  const directory = tree.enter(parts, undefined);
  if (of === undefined) throw refuse(path, `is a hard link to ${show(target)}, which is a directory`);
  const ref = directory === undefined ? undefined : tree.get(directory, of);
  if (directory === undefined || ref === undefined)
    throw refuse(path, `is a hard link to ${show(target)}, which is not there`);
  if (tree.directory(ref) !== undefined)
    throw refuse(path, `is a hard link to ${show(target)}, which is a directory`);
  return { ref, directory, of };
}

/** Of the name that is linked to: other names of its file may well be in what gives way. */
function isWithin(directory: MergedDirectory, other: MergedDirectory): boolean {
  if (directory.number === other.number) return true;
  return directory.parent !== directory && isWithin(directory.parent, other);
}

function partsOf(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse(path, "has .. in it");
  return parts;
}

function refuse(path: string, why: string): BangerError {
  return new BangerError("corrupt", `a layer has an entry that cannot be: ${show(path)} ${why}`);
}
