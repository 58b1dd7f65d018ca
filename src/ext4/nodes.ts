/**
 * Fills a fresh file system by directories and names: what is added is written as it comes, what is only known in the end by
 * finish(). Names are strings of one character per byte.
 */
import { BangerError } from "../base/base.ts";
import type { FileSink } from "../tar/tar.ts";
import { BlockAllocator } from "./allocate.ts";
import { BlockSink } from "./block-sink.ts";
import { BlockWriter } from "./block-writer.ts";
import { type Directory, DirectoryTree } from "./directory.ts";
import { writeDirectory } from "./directory-blocks.ts";
import { type Extent, ExtentList } from "./extents.ts";
import type { GroupTable } from "./groups.ts";
import { checkMeta, type InodeFields, type Meta } from "./inode.ts";
import { InodeTable } from "./inode-table.ts";
import {
  blockBytes,
  flagExtents,
  flagIndex,
  maxFileBytes,
  maxLinks,
  type NodeType,
  nodeTypes,
  sectorsPerBlock,
} from "./layout.ts";
import { checkName, shown } from "./paths.ts";
import { deviceBlock, type SpecialNode, symlinkBlock } from "./special.ts";
import type { Superblock } from "./superblock.ts";
import { encodeAttributes } from "./xattr.ts";

/** The blocks of the directories that mke2fs makes; they are written anew. */
export interface FreshDirectories {
  root: { meta: Meta; start: number; count: number };
  lostAndFound: { meta: Meta; start: number; count: number };
}

/** Where a name is to be. Whoever knows it by a path says so, for messages. */
export interface Place {
  parent: Directory;
  name: string;
  shown?: () => string;
}

/** What is known of an inode when all of its content is there. */
interface NodeFields {
  type: NodeType;
  meta: Meta;
  links: number;
  sizeBytes: number;
  /** Of its content; none where it has no blocks. */
  sectors?: number;
  /** Beyond what follows from how its content is kept. */
  flags?: number;
}

export class NodeWriter {
  readonly #tree = new DirectoryTree();
  readonly #allocator: BlockAllocator;
  readonly #writer: BlockWriter;
  readonly #inodes: InodeTable;
  /** The root's description, unless it gets another. */
  readonly #freshRoot: Meta;
  /** Names of files beyond their first. */
  readonly #links = new Map<number, number>();
  #open: (() => string) | undefined;
  readonly #part = Buffer.alloc(blockBytes);
  #finished = false;

  constructor(
    readonly superblock: Superblock,
    readonly groups: GroupTable,
    fresh: FreshDirectories,
    readonly nowS: number,
  ) {
    this.#allocator = new BlockAllocator(groups, superblock.freeBlocks);
    this.#writer = new BlockWriter(superblock.volume, this.#allocator);
    this.#inodes = new InodeTable(superblock.volume, groups, nowS);
    this.#freshRoot = fresh.root.meta;
    this.#allocator.release(fresh.root);
    this.#allocator.release(fresh.lostAndFound);
    this.#tree.lostAndFound.meta = fresh.lostAndFound.meta;
  }

  get root(): Directory {
    return this.#tree.root;
  }

  get lostAndFound(): Directory {
    return this.#tree.lostAndFound;
  }

  /** What is there by a name: a directory, or the inode's number of something else. */
  get(parent: Directory, name: string): Directory | number | undefined {
    return this.#tree.get(parent, name);
  }

  /** What file content may still take. Directories, written in the end, take some of it. */
  get freeBytes(): number {
    return this.#allocator.freeBlocks * blockBytes;
  }

  get freeInodes(): number {
    return this.#inodes.freeInodes;
  }

  /** Takes the blocks of content that was placed before, all of it before anything else is added. Throws internal when they are taken. */
  claim(extents: readonly Extent[]): void {
    for (const { physical, blocks } of extents) this.#allocator.claim({ start: physical, count: blocks });
  }

  /** Throws when nothing can be added just now. */
  begin(meta?: Meta): void {
    if (this.#finished) throw new BangerError("precondition", "the disk has been finished");
    if (this.#open !== undefined)
      throw new BangerError("precondition", `${this.#open()} is still being written`);
    if (meta !== undefined) checkMeta(meta);
  }

  /** `meta` is undefined for one that is only on the way to something else; describe() may follow. */
  addDirectory(place: Place, meta: Meta | undefined): Directory {
    this.begin(meta);
    this.#check(place);
    const { parent, name } = place;
    const made = this.#tree.addDirectory(parent, name, this.#inodes.allocate());
    made.meta = meta;
    return made;
  }

  /** Of a directory that nobody has described, as the root is at first. */
  describe(directory: Directory, meta: Meta): void {
    this.begin(meta);
    directory.meta = meta;
  }

  /** A file of exactly `sizeBytes`, whose content goes into the sink. One at a time. */
  addFile(place: Place, meta: Meta, sizeBytes: number): FileSink {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > maxFileBytes)
      throw new BangerError("bad_request", `a file of ${sizeBytes} bytes is more than ext4 holds`);
    const ino = this.#addLeaf(place, meta, "file");
    const name = () => shownPlace(place);
    this.#open = name;
    return new BlockSink(this.#writer, this.#part, sizeBytes, name, (extents) => {
      this.#open = undefined;
      this.#putWithExtents(ino, { type: "file", meta, links: 1, sizeBytes, extents });
    });
  }

  /** A file whose content is in blocks that were claimed; where it has none, it is zeros. */
  addPlacedFile(place: Place, meta: Meta, sizeBytes: number, extents: readonly Extent[]): void {
    const ino = this.#addLeaf(place, meta, "file");
    const list = new ExtentList();
    for (const { logical, physical, blocks } of extents) list.add(logical, physical, blocks);
    this.#putWithExtents(ino, { type: "file", meta, links: 1, sizeBytes, extents: list });
  }

  /** A symbolic link. The target is bytes, 1 to 4095 of them, and goes unread. */
  addSymlink(place: Place, target: Uint8Array, meta: Meta): void {
    if (target.length === 0 || target.length >= blockBytes || target.includes(0))
      throw new BangerError("bad_request", `a link to ${target.length} bytes cannot exist`);
    const ino = this.#addLeaf(place, meta, "symlink");
    const block = symlinkBlock(target);
    if (block !== undefined) {
      this.#put(ino, { type: "symlink", meta, links: 1, sizeBytes: target.length, block });
      return;
    }
    const whole = Buffer.alloc(blockBytes);
    whole.set(target);
    const extents = new ExtentList();
    extents.add(0, this.#writer.appendOne(whole), 1);
    this.#putWithExtents(ino, { type: "symlink", meta, links: 1, sizeBytes: target.length, extents });
  }

  /** A device, FIFO or socket. */
  addNode(place: Place, node: SpecialNode, meta: Meta): void {
    const block = deviceBlock(node);
    const ino = this.#addLeaf(place, meta, node.type);
    this.#put(ino, { type: node.type, meta, links: 1, sizeBytes: 0, block });
  }

  /** Another name of a file that was added; of anything but a directory. Throws not_found. */
  addHardLink(place: Place, target: Place): void {
    this.begin();
    const ino = this.get(target.parent, target.name);
    if (typeof ino !== "number")
      throw new BangerError(
        ino === undefined ? "not_found" : "bad_request",
        `${shownPlace(place)} is a link to ${shownPlace(target)}, which is no file`,
      );
    const links = (this.#links.get(ino) ?? 1) + 1;
    if (links > maxLinks) throw new BangerError("bad_request", `a file has more than ${maxLinks} names`);
    this.#check(place);
    this.#tree.addLink(place.parent, place.name, target);
    this.#links.set(ino, links);
  }

  /** Writes what is left. The file system is whole afterwards, and this object is done with. Does not sync. */
  finish(): void {
    this.begin();
    this.#finished = true;
    for (const directory of this.#tree.directories) this.#writeDirectory(directory);
    this.#writer.flush();
    for (const [ino, links] of this.#links) this.#inodes.setLinks(ino, links);
    this.#inodes.write(this.#allocator);
    this.#allocator.write();
    this.groups.write();
    this.superblock.write(this.#allocator.freeBlocks, this.#inodes.freeInodes);
  }

  #addLeaf(place: Place, meta: Meta, type: NodeType): number {
    this.begin(meta);
    this.#check(place);
    const ino = this.#inodes.allocate();
    this.#tree.addLeaf(place.parent, place.name, ino, type);
    return ino;
  }

  #check(place: Place): void {
    const { parent, name } = place;
    checkName(name, place.shown);
    if (this.get(parent, name) !== undefined)
      throw new BangerError("already_exists", `${shownPlace(place)} is in the disk already`);
  }

  #writeDirectory(directory: Directory): void {
    const extents = new ExtentList();
    let blocks = 0;
    const { hashSeed: seed, signedHash: signed } = this.groups.geometry;
    const emit = (block: Buffer) => {
      extents.add(blocks, this.#writer.appendOne(block), 1);
      blocks += 1;
    };
    const inodeSeed = this.#inodes.seed(directory.ino);
    const indexed = writeDirectory(this.#tree, directory, { seed, signed }, inodeSeed, emit);
    // Its own name, its ".", and the ".." of each below it; 1 when that is more than can be counted (dir_nlink).
    const links = directory.subdirectories + 2;
    this.#putWithExtents(directory.ino, {
      type: "directory",
      meta: directory.meta ?? (directory === this.root ? this.#freshRoot : this.#unsaid),
      links: links > maxLinks ? 1 : links,
      sizeBytes: blocks * blockBytes,
      extents,
      flags: indexed ? flagIndex : 0,
    });
    this.#inodes.countDirectory(directory.ino);
  }

  /** Directories that nobody described. */
  get #unsaid(): Meta {
    return { mode: 0o755, uid: 0, gid: 0, mtimeS: this.nowS };
  }

  #putWithExtents(ino: number, { extents, flags = 0, ...node }: NodeFields & { extents: ExtentList }): void {
    const block = Buffer.alloc(60);
    const treeBlocks = extents.write(block, this.#writer, this.#inodes.seed(ino));
    const sectors = (extents.blocks + treeBlocks) * sectorsPerBlock;
    this.#put(ino, { ...node, sectors, flags: flags | flagExtents, block });
  }

  #put(
    ino: number,
    { type, meta, sectors = 0, flags = 0, ...fields }: NodeFields & Pick<InodeFields, "block">,
  ): void {
    const { body, block: overflow } = encodeAttributes(meta.xattrs, this.groups.geometry.checksumSeed);
    this.#inodes.put(ino, {
      ...fields,
      mode: nodeTypes[type].mode | meta.mode,
      meta,
      flags,
      sectors: sectors + (overflow === undefined ? 0 : sectorsPerBlock),
      xattrBlock: overflow === undefined ? 0 : this.#writer.appendAt(overflow),
      xattrBody: body,
    });
  }
}

function shownPlace(place: Place): string {
  return place.shown?.() ?? shown(place.name);
}
