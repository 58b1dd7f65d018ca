/**
 * Which processes are banger's machines. A pid file is a hint at best: it may be stale and its number somebody else's.
 * The command line of a process of this user decides: program, -uuid and -pidfile are those that the driver gave it.
 */
import { basename, dirname } from "node:path";
import { findProcesses } from "../../sys/sys.ts";
import type { MachineHandle } from "../vmm.ts";
import { consoleChardev, memoryArgument, memoryPath, program, runFiles } from "./arguments.ts";

export const driverName = "qemu";

/** The machine of this VM, wherever its run directory is: that may have been another one when it was started. */
export function machineOf(id: string): MachineHandle | undefined {
  return machines((argv) => option(argv, "-uuid") === id)[0];
}

/** All machines whose files are in `runDir`. */
export function machinesIn(runDir: string): MachineHandle[] {
  return machines((argv) => option(argv, "-pidfile") === runFiles(runDir).pid);
}

/** Whether the guest's memory is this file, made by the machine's start. */
export function isMemoryOf(machine: MachineHandle, path: string): boolean {
  const object = option(argvOf(machine) ?? [], "-object");
  return object?.startsWith(memoryArgument({ path, use: "make" })) ?? false;
}

/** Where its memory's file was when it started; undefined when its memory never was a file with a name. */
export function memoryPathOf(machine: MachineHandle): string | undefined {
  return memoryPath(option(argvOf(machine) ?? [], "-object") ?? "");
}

/** Where a machine writes its console, as its own command line says; undefined when it is gone. */
export function consoleLogOf(machine: MachineHandle): string | undefined {
  const chardev = argvOf(machine)?.find((arg) => arg.startsWith(consoleChardev.before));
  if (chardev === undefined || !chardev.endsWith(consoleChardev.after)) return undefined;
  return chardev.slice(consoleChardev.before.length, -consoleChardev.after.length).replaceAll(",,", ",");
}

function argvOf({ process: { pid } }: MachineHandle): string[] | undefined {
  return findProcesses(isMachine).find(({ identity }) => identity.pid === pid)?.argv;
}

function machines(wanted: (argv: string[]) => boolean): MachineHandle[] {
  return findProcesses((argv) => isMachine(argv) && wanted(argv)).map(({ identity, argv }) => ({
    driver: driverName,
    process: identity,
    runDir: dirname(option(argv, "-pidfile") ?? ""),
  }));
}

function isMachine(argv: readonly string[]): boolean {
  const pidFile = option(argv, "-pidfile");
  return (
    basename(argv[0] ?? "") === program && pidFile !== undefined && pidFile === runFiles(dirname(pidFile)).pid
  );
}

function option(argv: readonly string[], name: string): string | undefined {
  const index = argv.indexOf(name);
  return index < 0 ? undefined : argv[index + 1];
}
