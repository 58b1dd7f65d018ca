/**
 * A command as sshd runs commands: one line for the login shell, whichever that is.
 *
 * The line only starts /bin/sh with a script that never changes; what the caller gave are its arguments, quoted once.
 * The script first says, on each output, a word that nobody can guess and its process id. Everything before it is the
 * login shell's own (a .bashrc that prints); the id is the command's, its group's and its session's, because each next
 * program takes the place of the one before. The id is how signals get there: sshd takes none for root.
 */
import { randomBytes } from "node:crypto";
import { BangerError } from "../base/base.ts";
import type { ExecRequest } from "./guest.ts";

/** The kernel's limit for one argument (MAX_ARG_STRLEN), which the line is to the login shell. */
const maxLineBytes = 128 * 1024 - 1;

/** The same as the agent's (native/agent/process.c). */
const baseEnvironment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  USER: "root",
  LOGNAME: "root",
  SHELL: "/bin/bash",
  LANG: "C.UTF-8",
};

const script = `m="$1 $$"; echo "$m"; [ "$2" = tty ] || echo "$m" >&2
cd -- "$3" || exit 126
umask 022
PATH=${baseEnvironment.PATH}
shift 3
exec env -i "$@"`;

export interface SshCommand {
  line: string;
  /** What its outputs begin with, before a space and the process id. */
  word: string;
}

/** Throws bad_request for what cannot be an argument, and for more than sshd's shell can be given. */
export function sshCommand({ argv, env = {}, cwd = "/root", tty }: ExecRequest): SshCommand {
  const word = `banger-${randomBytes(16).toString("hex")}`;
  const environment = { ...baseEnvironment, ...(tty === undefined ? {} : { TERM: tty.term }), ...env };
  // env(1) would take a first word with a "=" for a variable.
  const command = argv[0]?.includes("=") ? ["/bin/sh", "-c", 'exec "$@"', "sh", ...argv] : argv;
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const args = [word, tty === undefined ? "pipes" : "tty", cwd, ...variables, ...command];
  return { word, line: shellLine(script, args) };
}

/** A line that has /bin/sh run a script with arguments, whatever shell reads the line. */
export function shellLine(text: string, args: readonly string[]): string {
  const line = `exec /bin/sh -c ${[text, "banger", ...args].map(quoted).join(" ")}`;
  if (line.includes("\0")) throw new BangerError("bad_request", "an argument contains a NUL byte");
  if (Buffer.byteLength(line) > maxLineBytes) {
    throw new BangerError("bad_request", `the command has more than ${maxLineBytes} bytes, quoted for ssh`);
  }
  return line;
}

/** One word for sh, bash, zsh and fish, of which the last one reads a backslash in single quotes. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'"'"'`).replaceAll("\\", `'"\\\\"'`)}'`;
}

/** Sends a signal to a command's group, and on a terminal to the group in front as well. */
export function signalLine(pid: number, signal: number): string {
  return shellLine(signalScript, [String(pid), String(signal)]);
}

/** Of /proc/PID/stat: what follows the name, which may contain anything, is state, parent, group, session, tty, group in front. */
const signalScript = `kill -"$2" -"$1"
s=$(cat "/proc/$1/stat" 2>/dev/null) || exit 0
p=$1 n=$2; s=\${s##*) }
set -- $s
[ "$6" -le 1 ] || [ "$6" = "$p" ] || kill -"$n" -"$6"`;
