/** Runs in the emulated host, as the owner: asks the root helper what is in the argument, and prints its answers, as JSON. */
import { toBangerError } from "../../../src/base/base.ts";
import { helperSocket } from "../../../src/config/paths.ts";
import type { Client } from "../../../src/rpc/client.ts";
import { connectHelper } from "../../../src/rpc/helper-client.ts";
import type { Helper, HelperMethod } from "../../../src/rpc/helper-contract.ts";

export type Question = [method: HelperMethod, params: object];
export type Reply = { result: unknown } | { refused: string; message: string };

async function ask(client: Client<Helper>, [method, params]: Question): Promise<Reply> {
  try {
    // Questions are wrong on purpose, too.
    return { result: await client.call(method, params as never, {}) };
  } catch (error) {
    const { code, message } = toBangerError(error);
    return { refused: code, message };
  }
}

const client = await connectHelper(helperSocket);
const replies: Reply[] = [];
for (const question of JSON.parse(process.argv[2] ?? "[]") as Question[])
  replies.push(await ask(client, question));
client.close();
process.stdout.write(JSON.stringify(replies));
