/** The smallest useful content of a container image: one static program, /app/say. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tar } from "../../src/oci/testing/tar-writer.ts";

/** `say STATUS [FILE]` says what it was started with and what is in the file, and ends with the status; `say who`, who it is. */
const program = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  char cwd[256] = "";
  if (argc > 1 && strcmp(argv[1], "who") == 0) {
    gid_t groups[32];
    int count = getgroups(32, groups);
    printf("%d:%d", getuid(), getgid());
    for (int i = 0; i < count; i++) printf(" %d", groups[i]);
    printf(" home %s user %s in %s\\n", getenv("HOME"), getenv("USER") ? getenv("USER") : "-", getcwd(cwd, sizeof cwd));
    return 0;
  }
  printf("%s %s %s\\n", getenv("GREETING"), getcwd(cwd, sizeof cwd), argc > 1 ? argv[1] : "");
  FILE *file = argc > 2 ? fopen(argv[2], "r") : NULL;
  for (int c; file && (c = fgetc(file)) != EOF;) putchar(c);
  return argc > 1 ? atoi(argv[1]) : 0;
}
`;

/** How a container of it is run, in an image's configuration. */
export const sayConfig = { Env: ["GREETING=hello there", "PATH=/app"], WorkingDir: "/app" };

/** A layer with it, compiled in `dir`. */
export function sayLayer(dir: string): Buffer {
  writeFileSync(join(dir, "say.c"), program);
  execFileSync("musl-gcc", ["-static", "-s", "-o", join(dir, "say"), join(dir, "say.c")]);
  return tar([
    { path: "app/", type: "5" },
    { path: "app/say", content: readFileSync(join(dir, "say")), mode: 0o755 },
  ]);
}
