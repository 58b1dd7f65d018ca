/** The executable of another architecture, compiled here: that it can be made. Whether it runs is for a machine of that kind. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../../src/base/base.ts";
import { runTool } from "../publish/tool.ts";
import { runIn, setUp } from "./build.ts";
import { lockedPackage } from "./packages.ts";
import type { Source } from "./source.ts";

const compiler = "aarch64-linux-gnu-gcc";
const bunPackage = "@oven/bun-linux-aarch64";

/** For arm64, into `out`. `dir` is made and left. Throws host_missing without the cross compiler. Returns the file. */
export function crossCompile(source: Source, dir: string, out: string): string {
  const { version, epoch } = source;
  if (Bun.which(compiler) === null) {
    throw new BangerError("host_missing", `the program ${compiler} was not found`, {
      hint: "install it: sudo apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    });
  }
  setUp(source, dir);
  const specs = bringMusl(join(dir, "build/musl-arm64"));
  const native = (...words: string[]) => runIn(dir, epoch, "make", ["-s", "-C", "native", ...words]);
  native("clean");
  native("all", `CC=${compiler}`, `MUSL=${compiler} -specs ${specs}`);
  runIn(dir, epoch, "node_modules/.bin/bun", ["scripts/build.ts", bringBun(dir)]);
  mkdirSync(out, { recursive: true });
  const made = join(out, `banger-${version}-linux-arm64-UNTESTED`);
  copyFileSync(join(dir, "dist/banger"), made);
  return made;
}

/** The C library's archive and headers, of Debian's package for that architecture, which the host need not know. Returns gcc's specs. */
function bringMusl(dir: string): string {
  for (const name of ["state/lists/partial", "cache/archives/partial", "root"])
    mkdirSync(join(dir, name), { recursive: true });
  const options = [
    ["APT::Architecture", "arm64"],
    ["APT::Architectures::", "arm64"],
    // apt's own user cannot look into a directory of ours.
    ["APT::Sandbox::User", ""],
    ["Dir::State", join(dir, "state")],
    ["Dir::State::status", "/dev/null"],
    ["Dir::Cache", join(dir, "cache")],
  ].flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  const shell = (command: string, ...words: string[]) =>
    runTool("sh", ["-c", `cd "$1" && shift && ${command}`, "sh", dir, ...words]);
  shell('exec apt-get -q "$@" update', ...options);
  shell('exec apt-get -q "$@" download musl-dev:arm64', ...options);
  shell("exec dpkg-deb -x musl-dev_*_arm64.deb root");
  const place = "lib/aarch64-linux-musl";
  const specs = readFileSync(join(dir, "root/usr", place, "musl-gcc.specs"), "utf8");
  const path = join(dir, "musl-gcc.specs");
  writeFileSync(
    path,
    specs.replaceAll(/\/usr\/(?=(?:lib|include)\/aarch64-linux-musl)/g, `${dir}/root/usr/`),
  );
  return path;
}

/** Bun for that architecture, which is what package-lock.json says it is. */
function bringBun(dir: string): string {
  const { version, integrity } = lockedPackage(dir, `node_modules/${bunPackage}`);
  const said = runTool("npm", ["pack", "--silent", "--pack-destination", dir, `${bunPackage}@${version}`]);
  const archive = join(dir, said.toString().trim().split("\n").at(-1) ?? "");
  const found = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
  if (found !== integrity) {
    throw new BangerError(
      "corrupt",
      `${bunPackage} ${version} has another digest than in package-lock.json`,
      {
        hint: "try again; if it stays so, the download is not to be trusted",
      },
    );
  }
  const target = join(dir, "build/bun-arm64");
  mkdirSync(target);
  runTool("tar", ["-xzf", archive, "-C", target]);
  return join(target, "package/bin/bun");
}
