/**
 * What opens a registry for this user: docker's config.json, and the credential helpers that it names. Asked for only
 * when a registry has challenged; what a helper says goes nowhere but to that registry.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { cleanEnvironment, run } from "../../sys/sys.ts";
import { credentialKey } from "../reference.ts";

export type Credentials =
  | { kind: "password"; username: string; password: string }
  /** Exchanged for access tokens by OAuth2. */
  | { kind: "identity"; token: string }
  /** Shown to the registry as it is. */
  | { kind: "registry"; token: string };

/** Credentials of a registry, by the name that references have for it. */
export type CredentialSource = (registry: string, signal: AbortSignal) => Promise<Credentials | undefined>;

const Auth = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
  registrytoken: z.string().optional(),
});
type Auth = z.infer<typeof Auth>;

const DockerConfig = z.object({
  auths: z.record(z.string(), Auth.nullable()).nullish(),
  credsStore: z.string().nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
});

const HelperAnswer = z.object({ Username: z.string(), Secret: z.string() });

const helperMs = 30_000;

/** The file of DOCKER_CONFIG or of the home; an absent one has no credentials. */
export function dockerCredentials(env: Readonly<Record<string, string | undefined>>): CredentialSource {
  return async (registry, signal) => {
    const path = join(env.DOCKER_CONFIG || join(env.HOME || homedir(), ".docker"), "config.json");
    const config = await readConfig(path);
    if (config === undefined) return undefined;
    const key = credentialKey(registry);
    const helper = config.credHelpers?.[key] ?? config.credHelpers?.[registry] ?? config.credsStore;
    if (helper != null && helper !== "") {
      const kept = await askHelper(helper, key, signal);
      if (kept !== undefined) return kept;
    }
    const auth = findAuth(config.auths ?? {}, key, registry);
    return auth === undefined ? undefined : readAuth(auth, path, registry);
  };
}

async function readConfig(path: string) {
  if (!isAbsolute(path)) throw new BangerError("bad_config", `DOCKER_CONFIG is no absolute path: ${path}`);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return DockerConfig.parse(JSON.parse(text));
  } catch (error) {
    throw new BangerError("bad_config", `${path} cannot be read as docker's configuration`, {
      hint: "repair it, or move it out of the way",
      cause: error,
    });
  }
}

/** docker login has written keys as addresses, with and without a path, over the years. */
function findAuth(
  auths: Readonly<Record<string, Auth | null>>,
  key: string,
  registry: string,
): Auth | undefined {
  const exact = auths[key] ?? auths[registry];
  if (exact != null) return exact;
  const host = (text: string) => text.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  const found = Object.entries(auths).find(([name]) => host(name) === host(key) || host(name) === registry);
  return found?.[1] ?? undefined;
}

function readAuth(
  { auth, username, password, identitytoken, registrytoken }: Auth,
  path: string,
  registry: string,
): Credentials | undefined {
  if (registrytoken) return { kind: "registry", token: registrytoken };
  if (identitytoken) return { kind: "identity", token: identitytoken };
  if (username && password) return { kind: "password", username, password };
  if (!auth) return undefined;
  const text = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = text.indexOf(":");
  if (colon < 1) throw new BangerError("bad_config", `${path} has credentials for ${registry} that are none`);
  return { kind: "password", username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** The protocol of docker-credential-helpers: `get`, the key on standard input, JSON on standard output. */
async function askHelper(helper: string, key: string, signal: AbortSignal): Promise<Credentials | undefined> {
  if (!/^[a-z0-9-]{1,64}$/.test(helper)) {
    throw new BangerError(
      "bad_config",
      `docker's config.json names a credential helper that cannot be one: ${JSON.stringify(helper.slice(0, 80))}`,
    );
  }
  const program = `docker-credential-${helper}`;
  const late = AbortSignal.timeout(helperMs);
  const { status, stdout, stderr } = await run(program, ["get"], {
    input: Buffer.from(key),
    // Keyrings are found by the session's variables.
    env: { ...cleanEnvironment(), ...session() },
    signal: AbortSignal.any([signal, late]),
    maxOutputBytes: 64 * 1024,
  }).catch((error: unknown) => {
    if (!late.aborted) throw error;
    throw new BangerError("timeout", `${program} gave no answer in ${helperMs / 1000} s`, {
      hint: `it may wait for a keyring to be opened; try it: echo ${key} | ${program} get`,
    });
  });
  const said = stdout.toString("utf8").trim();
  // Their way of saying that there are none.
  if (status !== 0 && /credentials not found/i.test(`${said} ${stderr}`)) return undefined;
  const answer = HelperAnswer.safeParse(status === 0 ? jsonOf(said) : undefined);
  if (!answer.success) {
    // Not what it said: a secret may be in it.
    throw new BangerError(
      "operation_failed",
      `${program} gave no credentials for ${key}: it ended with ${status}`,
      {
        hint: `try it: echo ${key} | ${program} get`,
      },
    );
  }
  const { Username, Secret } = answer.data;
  if (Username === "<token>") return { kind: "identity", token: Secret };
  return { kind: "password", username: Username, password: Secret };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function session(): Record<string, string> {
  const names = [
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "GNUPGHOME",
    "DOCKER_CONFIG",
  ];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
