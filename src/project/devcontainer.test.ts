import { describe, expect, test } from "bun:test";
import { parseDevcontainer } from "./devcontainer.ts";

const read = (said: object) => parseDevcontainer(JSON.stringify(said), ".devcontainer.json");
/** A variable, as the format has them. */
const ofHost = (name: string) => ["$", "{", name, "}"].join("");

describe("devcontainer.json", () => {
  test("gives image, environment, ports and commands; what else it says is named", () => {
    const { settings, ignored } = read({
      name: "x",
      image: "mcr.microsoft.com/devcontainers/base:bookworm",
      containerEnv: { MODE: "dev" },
      forwardPorts: [3000, 5173],
      postCreateCommand: "npm ci && npm run build",
      features: {},
      customizations: { vscode: {} },
    });
    expect(settings).toMatchObject({
      image: "mcr.microsoft.com/devcontainers/base:bookworm",
      env: { MODE: "dev" },
      ports: [
        { host: 3000, guest: 3000 },
        { host: 5173, guest: 5173 },
      ],
      postCreate: [{ argv: ["/bin/sh", "-c", "npm ci && npm run build"] }],
    });
    expect(ignored).toEqual(["features", "customizations"]);
  });

  test("has commands in three shapes: a line, a program with its arguments, several by name", () => {
    expect(read({ postCreateCommand: ["npm", "run", "a b"] }).settings.postCreate).toEqual([
      { shown: "npm run 'a b'", argv: ["npm", "run", "a b"] },
    ]);
    const several = read({ postCreateCommand: { one: "make one", two: ["make", "two"] } }).settings
      .postCreate;
    expect(several.map(({ shown }) => shown)).toEqual(["make one", "make two"]);
  });

  test("is never filled in with what this host's environment says", () => {
    const { settings, ignored } = read({
      image: `x-${ofHost("localEnv:SECRET")}`,
      containerEnv: { TOKEN: ofHost("localEnv:TOKEN"), PLAIN: "$HOME" },
      postCreateCommand: `echo ${ofHost("localWorkspaceFolder")}`,
    });
    expect(settings).toMatchObject({ env: { PLAIN: "$HOME" }, postCreate: [] });
    expect(settings.image).toBeUndefined();
    expect(ignored).toEqual([
      "image (is not the name of an image)",
      "containerEnv.TOKEN (a variable of devcontainers)",
      "postCreateCommand (a variable of devcontainers)",
    ]);
  });

  test("that says something impossible is used for the rest", () => {
    const { settings, ignored } = read({
      image: "oci:/etc",
      forwardPorts: ["db:5432", 3000],
      containerEnv: [],
    });
    expect(settings).toMatchObject({ ports: [{ host: 3000, guest: 3000 }], env: {} });
    expect(settings.image).toBeUndefined();
    expect(ignored).toEqual([
      "image (a repository names images of the store, a catalog or a registry, and no files of the host)",
      'forwardPorts "db:5432" (of another container)',
      "containerEnv (no object)",
    ]);
  });
});
