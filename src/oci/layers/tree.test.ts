import { expect, test } from "bun:test";
import { failure, saying } from "../testing/failures.ts";
import { Tree } from "./tree.ts";

const MiB = 1024 ** 2;

test("directories' extended attributes are bounded, all of them together", async () => {
  const tree = new Tree(1000);
  const metadata = { mode: 0o755, uid: 0, gid: 0, mtimeS: 0, mtimeNs: 0 };
  const xattrs = [{ name: "user.a", value: new Uint8Array(MiB) }];
  for (let n = 0; n < 64; n += 1) tree.putDirectory(tree.root, `d${n}`, { ...metadata, xattrs });
  tree.putDirectory(tree.root, "plain", { ...metadata, xattrs: [] });
  const oneMore = async () =>
    tree.putDirectory(tree.root, "e", {
      ...metadata,
      xattrs: [{ name: "user.a", value: new Uint8Array(1) }],
    });
  expect(await failure(oneMore())).toMatchObject(
    saying("corrupt", /"e" has more extended attributes, with those before it, than an image may have/),
  );
});
