/** `npm run host -- up | shell [COMMAND] | down | status`: the emulated host by hand. The tests' runner also says `collect`, and `end`. */
import { collect, down, up } from "./life.ts";
import { endMachine, hostRecord } from "./machine.ts";
import { startSsh } from "./ssh.ts";

const say = (line: string) => process.stderr.write(`host: ${line}\n`);
const usage = "usage: npm run host -- up [--fresh] | shell [--as-root] [COMMAND] | down | status";

async function shell(words: string[]): Promise<number> {
  const user = words[0] === "--as-root" ? "root" : "dev";
  const command = words.slice(user === "root" ? 1 : 0).join(" ");
  const record = await hostRecord();
  if (record === undefined) throw new Error("it is not up; start it: npm run host -- up");
  const child = startSsh(record, user, command === "" ? undefined : command, "inherit");
  return new Promise((resolve) => child.on("close", (status) => resolve(status ?? 255)));
}

async function main([word, ...words]: string[]): Promise<number> {
  switch (word) {
    case "up": {
      const record = words[0] === "--fresh" ? undefined : await hostRecord();
      if (record === undefined) await up(say);
      else say(`it is up already; ssh on port ${record.sshPort}`);
      return 0;
    }
    case "shell":
      return shell(words);
    case "down":
      await down();
      return 0;
    case "end":
      await endMachine();
      return 0;
    case "collect":
      say(`what was found is in ${await collect()}`);
      return 0;
    case "status": {
      const record = await hostRecord();
      say(record === undefined ? "down" : `up: process ${record.process.pid}, ssh on port ${record.sshPort}`);
      return record === undefined ? 1 : 0;
    }
    default:
      say(usage);
      return 2;
  }
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
