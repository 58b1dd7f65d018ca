/** The one executable, of src/main.ts and all that it imports. */
import { join } from "node:path";

export interface Compilation {
  outfile: string;
  /** Another platform's. */
  bun?: string | undefined;
  /** What is stamped into it. */
  build: { version: string; commit: string; builtAt: string };
  /** Tests make executables that are broken so. */
  plugins?: Bun.BunPlugin[];
}

/** The native parts have been made. The result says whether it went well. */
export function compile({ outfile, bun, build, plugins = [] }: Compilation): Promise<Bun.BuildOutput> {
  return Bun.build({
    entrypoints: [join(import.meta.dir, "../src/main.ts")],
    plugins,
    compile: {
      outfile,
      ...(bun === undefined ? {} : { executablePath: bun }),
      // Started inside a hostile repository, banger must not run its bunfig.toml or read its .env.
      autoloadBunfig: false,
      autoloadDotenv: false,
      // A command ends before compiled code pays: a fifth of the CPU time of `vm exec -- true` was the JIT's (58 ms to 46).
      // What is hot for longer is still compiled; personalities that stay go back to 1 (src/main.ts).
      jitPolicy: 10,
    },
    // One file for each import(): only what a command loads is read. As one file, `--version` took 25 ms of CPU time for 14.
    splitting: true,
    // Bytecode halves the time to load the command line (measured: 28 ms to 14 ms for the contract and the client).
    bytecode: true,
    format: "esm",
    minify: true,
    sourcemap: "none",
    define: {
      // Where a package was on the machine that builds is nobody's business, and would make each checkout's executable another.
      // The two files of ssh2 that ask look for things beside them which are not there in an executable.
      __dirname: JSON.stringify("/"),
      __filename: JSON.stringify("/"),
      BANGER_VERSION: JSON.stringify(build.version),
      BANGER_COMMIT: JSON.stringify(build.commit),
      BANGER_BUILT_AT: JSON.stringify(build.builtAt),
    },
  });
}
