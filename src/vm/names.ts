/** Names for VMs whose owner gave none: two short words, easy to say and to type. */
import { BangerError } from "../base/base.ts";
import { VmName } from "../base/ids.ts";

const qualities =
  "able bold brave brisk calm clear crisp deft eager fair fleet fond glad grand keen kind light lucid mellow merry neat noble plain proud quick quiet rapid sharp sleek smart snug solid spry stark still stout sunny swift tidy true vivid warm wise witty".split(
    " ",
  );
const animals =
  "badger beaver bison crane curlew dingo dove eagle egret falcon ferret finch fox gecko gibbon heron ibex ibis jackal jay kestrel lark lemur lynx marten mink mole moth newt ocelot otter owl panda petrel puffin quail raven robin seal shrew skink stoat swan tapir tern toad viper vole walrus weasel wombat wren yak zebu".split(
    " ",
  );

/** A name that is not in `taken`. `random` returns numbers in [0, 1). */
export function generateName(taken: ReadonlySet<string>, random: () => number = Math.random): VmName {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)] ?? "vm";
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const suffix = attempt < 20 ? "" : `-${Math.floor(random() * 10_000)}`;
    const name = `${pick(qualities)}-${pick(animals)}${suffix}`;
    if (!taken.has(name)) return VmName.parse(name);
  }
  throw new BangerError("operation_failed", "no free name was found", { hint: "give one with --name" });
}
