/**
 * What banger takes of a devcontainer.json (containers.dev): image, containerEnv, forwardPorts, postCreateCommand. The rest is
 * about containers and editors. Its variables (`${localEnv:HOME}`) are never filled in: they would hand the host's to a guest.
 */
import { BangerError, shellWord } from "../base/base.ts";
import { type Json, parseJsonc } from "./jsonc.ts";
import { readEnv, readImage, readPorts, shellCommand, Unfit } from "./keys.ts";
import type { PostCreate, Project, ProjectSettings } from "./settings.ts";

/** These say nothing that a VM could do otherwise. */
const silent = new Set(["$schema", "name"]);
const variable = /\$\{(?:local|container|devcontainer)[A-Za-z]*[:}]/;

/** Throws bad_config for what is not JSONC, and no object. */
export function parseDevcontainer(text: string, file: string): Project {
  const said = parseJsonc(text, file);
  if (typeof said !== "object" || said === null || Array.isArray(said))
    throw new BangerError("bad_config", `${file}: not an object`);
  let settings: ProjectSettings = { ports: [], include: [], postCreate: [], env: {} };
  const ignored: string[] = [];
  for (const [key, value] of Object.entries(said)) {
    const read = Object.hasOwn(readers, key) ? readers[key] : undefined;
    if (read === undefined) {
      if (!silent.has(key)) ignored.push(key);
      continue;
    }
    try {
      settings = { ...settings, ...read(value, (what) => ignored.push(what)) };
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      ignored.push(`${key} (${error.message})`);
    }
  }
  return { file, settings, ignored, placeOf: () => file };
}

type Read = (value: Json, ignore: (what: string) => void) => Partial<ProjectSettings>;

const readers: Readonly<Record<string, Read>> = {
  image: (value) => ({ image: readImage(value) }),
  containerEnv: (value, ignore) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Unfit("no object");
    const [filledIn, plain] = partition(Object.entries(value), ([, said]) => variable.test(String(said)));
    for (const [name] of filledIn) ignore(`containerEnv.${name} (a variable of devcontainers)`);
    return { env: readEnv(Object.fromEntries(plain)) };
  },
  forwardPorts: (value, ignore) => {
    if (!Array.isArray(value)) throw new Unfit("no list");
    const [own, others] = partition(value, (port) => typeof port === "number");
    for (const port of others) ignore(`forwardPorts ${JSON.stringify(port)} (of another container)`);
    return { ports: readPorts(own) };
  },
  postCreateCommand: (value, ignore) => {
    const commands =
      typeof value === "object" && value !== null && !Array.isArray(value) ? Object.values(value) : [value];
    return {
      postCreate: commands.flatMap((command) => {
        const read = commandOf(command);
        if (!variable.test(read.shown)) return [read];
        ignore("postCreateCommand (a variable of devcontainers)");
        return [];
      }),
    };
  },
};

/** A line for a shell, or a program with its arguments. */
function commandOf(value: Json): PostCreate {
  if (!Array.isArray(value)) return shellCommand(value);
  const argv = value.filter((word) => typeof word === "string" && !word.includes("\0")).map(String);
  if (argv.length !== value.length || argv[0] === undefined || argv[0] === "") throw new Unfit("no command");
  return { shown: argv.map(shellWord).join(" "), argv };
}

function partition<T>(all: readonly T[], holds: (one: T) => boolean): [T[], T[]] {
  return [all.filter(holds), all.filter((one) => !holds(one))];
}
