import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failure, saying } from "../testing/failures.ts";
import { dockerCredentials } from "./credentials.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const password = { kind: "password", username: "ann", password: "s3:cret" } as const;

describe("docker's configuration", () => {
  const signal = new AbortController().signal;
  const config = (value: unknown) => {
    mkdirSync(join(dir, "docker"), { recursive: true });
    writeFileSync(join(dir, "docker/config.json"), typeof value === "string" ? value : JSON.stringify(value));
    return dockerCredentials({ DOCKER_CONFIG: join(dir, "docker"), HOME: dir });
  };
  const auth = Buffer.from("ann:s3:cret").toString("base64");

  test("that is not there has no credentials", async () => {
    expect(await dockerCredentials({ HOME: join(dir, "nobody") })("r.example", signal)).toBeUndefined();
    expect(await config({})("r.example", signal)).toBeUndefined();
  });

  test("has them by host, as docker login has written them over the years", async () => {
    for (const key of ["r.example:5000", "https://r.example:5000", "https://r.example:5000/v1/"]) {
      expect(await config({ auths: { [key]: { auth } } })("r.example:5000", signal)).toEqual(password);
    }
    const hub = config({ auths: { "https://index.docker.io/v1/": { auth } } });
    expect(await hub("docker.io", signal)).toEqual(password);
    expect(await hub("r.example", signal)).toBeUndefined();
    const both = { auth, identitytoken: "idt" };
    expect(await config({ auths: { "r.example": both } })("r.example", signal)).toEqual({
      kind: "identity",
      token: "idt",
    });
  });

  test("that cannot be read is told of", async () => {
    for (const value of ["nonsense", { auths: 7 }, { auths: { "r.example": { auth: "bm9uZQ==" } } }])
      expect(await failure(config(value)("r.example", signal))).toMatchObject({ code: "bad_config" });
  });

  test("names helpers, which are asked by their protocol", async () => {
    const bin = join(dir, "bin");
    mkdirSync(bin);
    const helper = (name: string, script: string) => {
      writeFileSync(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
      chmodSync(join(bin, `docker-credential-${name}`), 0o755);
    };
    helper(
      "good",
      `[ "$1" = get ] && read key; printf '{"ServerURL":"%s","Username":"ann","Secret":"s3:cret"}' "$key"`,
    );
    helper("token", `printf '{"Username":"<token>","Secret":"idt"}'`);
    helper("empty", `echo "credentials not found in native keychain"; exit 1`);
    helper("broken", `echo s3cret; exit 3`);
    const path = process.env.PATH;
    process.env.PATH = `${bin}:${path}`;
    try {
      const ask = (name: string) => config({ credHelpers: { "r.example": name } })("r.example", signal);
      expect(await ask("good")).toEqual(password);
      expect(await ask("token")).toEqual({ kind: "identity", token: "idt" });
      expect(await ask("empty")).toBeUndefined();
      const broken = await failure(ask("broken"));
      expect(broken).toMatchObject(saying("operation_failed", /ended with 3/));
      expect(String(broken)).not.toContain("s3cret");
      expect(await failure(ask("nosuch"))).toMatchObject({ code: "host_missing" });
      for (const bad of ["../x", "a b", "", "X", "a;b", "/bin/sh"])
        expect(bad === "" ? { code: "bad_config" } : await failure(ask(bad))).toMatchObject({
          code: "bad_config",
        });
      expect(await config({ credsStore: "good" })("docker.io", signal)).toEqual(password);
    } finally {
      process.env.PATH = path;
    }
  });
});
