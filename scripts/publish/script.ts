/** A script's frame: its arguments, its help, and errors as banger itself tells them. */
import { toBangerError } from "../../src/base/base.ts";

/** With this process's arguments; ends it. */
export async function runScript<Options>(
  name: string,
  usage: string,
  parse: (argv: readonly string[]) => Options | undefined,
  body: (options: Options) => Promise<void>,
): Promise<never> {
  try {
    const options = parse(process.argv.slice(2));
    if (options === undefined) process.stdout.write(`${usage}\n`);
    else await body(options);
    process.exit(0);
  } catch (error) {
    const { message, hint } = toBangerError(error);
    process.stderr.write(`${name}: ${message}\n${hint === undefined ? "" : `  hint: ${hint}\n`}`);
    process.exit(1);
  }
}
