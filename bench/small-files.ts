/**
 * A layer of many small files, as a tar on standard output: `small-files.ts DIRECTORIES FILES`, so many files in each. From no
 * disk, on which half a million of them would take longer than all else.
 */
import { tarEnd, tarHeader, tarPadding } from "../src/tar/tar.ts";

const [directories = 0, files = 0] = process.argv.slice(2).map(Number);
const content = Buffer.from("a small file's content, over and over. ".repeat(26));
const padded = Buffer.concat([content, Buffer.alloc(tarPadding(content.length))]);
const out = Bun.stdout.writer({ highWaterMark: 1024 ** 2 });
const root = { mode: 0o755, mtimeS: 1_700_000_000 };
for (let directory = 1; directory <= directories; directory += 1) {
  const path = `usr/lib/modules-${directory}`;
  out.write(tarHeader({ ...root, path: Buffer.from(path), kind: "directory", size: 0 }));
  for (let file = 0; file < files; file += 1) {
    const name = `${path}/a-file-of-a-usual-name-${String(file).padStart(4, "0")}`;
    out.write(tarHeader({ ...root, path: Buffer.from(name), kind: "file", size: content.length }));
    out.write(padded);
  }
  await out.flush();
}
out.write(tarEnd);
await out.end();
