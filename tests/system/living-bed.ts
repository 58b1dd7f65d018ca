/** What people do with a VM in an installed host: their commands by lines, and Ctrl-C in their middle. */
import { type Host, quote } from "./host.ts";
import { slow } from "./warm-bed.ts";

/** Of the owner `dev`; guests' commands are those of one VM. */
export function livingBed(machine: Host, vm: string) {
  const run = (line: string) => machine.run(line, slow);
  const ok = (line: string) => machine.ok(line, slow);
  return {
    run,
    ok,
    exec: (script: string) => ok(`banger vm exec ${vm} -- sh -c ${quote(script)}`),
    record: async (line: string) => JSON.parse(await ok(`${line} --json`)),
    /**
     * Starts a command in the background, waits until `begun` succeeds, sends it Ctrl-C's signal, and returns its exit status.
     * What it said is in the files out and err.
     */
    interrupted: async (line: string, begun: string): Promise<number> => {
      const { stdout } = await run(`(exec ${line} >out 2>err </dev/null) & child=$!
until ${begun}; do kill -0 $child || break; sleep 0.1; done; kill -INT $child; wait $child; echo $?`);
      return Number(stdout);
    },
  };
}

/** A test for a shell: the file has so many lines. */
export const hasLines = (file: string, lines: number) => `[ $(wc -l < ${file}) -ge ${lines} ]`;
