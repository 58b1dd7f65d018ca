/** The two services of the system mode, as root: nothing of the owner's is opened, run or written by it. */
import { BangerError } from "../base/base.ts";
import { formatInstall, type Install, readInstall } from "../config/config.ts";
import { exclusively, restartServices, rewrite, type SystemHost, unitNames } from "../host/host.ts";
import { run } from "../sys/sys.ts";
import { lastLine } from "./build.ts";
import type { Services, UnderWay } from "./services.ts";

/** Throws not_found where nothing is installed. */
export function systemServices(host: SystemHost, operations: () => Promise<UnderWay[]>): Services {
  const { installFile } = host.places;
  const install = (): Install => {
    const found = readInstall(installFile);
    if (found !== undefined) return found;
    throw new BangerError("not_found", `there is no ${installFile}`, {
      hint: "write it anew: sudo banger system install --owner USER",
    });
  };
  return {
    mode: "system",
    exclusively: (work) => exclusively(host, work),
    operations,
    stateTask: async (program, word, signal) => {
      const { uid, gid } = install();
      // What is the owner's is opened by the owner: root would follow their links, and leave them files of root's.
      const { status, stderr } = await run(
        "setpriv",
        [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--no-new-privs", "--", program].concat([
          "internal",
          "daemon",
          word,
          "--system",
        ]),
        { signal, env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8", HOME: "/" } },
      );
      return { status, said: lastLine(stderr) };
    },
    stop: () => host.systemd.stop([unitNames.daemon]),
    adopt: async ({ version, commit, builtAt }) => {
      const text = formatInstall({ ...install(), version, commit, built_at: builtAt });
      await rewrite(installFile, text);
    },
    bringUp: (_program, build, signal) => restartServices(host, { build, signal }),
    afterwards: async (program) => {
      // Only where there are some: a host without a directory for manuals has none.
      if (!(await Bun.file(`${host.places.manual}/banger.1`).exists())) return;
      const { status, stderr } = await run(program, ["internal", "man", host.places.manual]);
      if (status !== 0)
        throw new BangerError("operation_failed", `the manual is the older one: ${lastLine(stderr)}`);
    },
  };
}
