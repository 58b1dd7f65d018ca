import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configText } from "../../cli/ssh/config-text.ts";
import { lookAtSshConfig } from "../facts/ssh-config.ts";
import { healthy, judged, systemPlace, userPlace, verdict } from "../testing/healthy.ts";

const { daemon, sshConfig } = healthy;
const served = (server: string | null, routed: boolean) => ({
  daemon: {
    ...daemon,
    answer: daemon.answer && {
      ...daemon.answer,
      status: { ...daemon.answer.status, names: { server, routed } },
    },
  },
});

describe("names", () => {
  test("are served, and in system mode asked for by systemd-resolved", () => {
    expect(verdict("names").state).toBe("pass");
    expect(verdict("names", {}, systemPlace).summary).toContain("which systemd-resolved asks");
    expect(verdict("names", served("127.0.0.1:42069", false), systemPlace).state).toBe("warn");
    expect(verdict("names", served("127.0.0.1:42069", false)).state).toBe("pass");
    expect(verdict("names", served(null, false))).toMatchObject({
      state: "warn",
      remedy: ["banger daemon logs"],
    });
  });

  test("are nothing to judge while no daemon runs", () => {
    expect(verdict("names", { daemon: { ...daemon, answer: undefined } }).summary).toContain("while");
  });
});

describe("ssh's configuration", () => {
  const written = {
    ...{ ...sshConfig, exists: true, program: "/usr/local/bin/banger", programThere: true },
    knownHosts: join(userPlace.paths.state, "ssh/known_hosts"),
  };
  test("leads to a banger that is there, and to this daemon's keys", () => {
    expect(verdict("ssh-config").summary).toContain("not asked for");
    expect(verdict("ssh-config", { sshConfig: written }).summary).toContain("leads to this daemon");
    expect(verdict("ssh-config", { sshConfig: { ...written, programThere: false } })).toMatchObject({
      state: "warn",
      summary: "ssh NAME.vm starts a banger that is not there: /usr/local/bin/banger",
      remedy: ["banger ssh-config"],
    });
    const ill = judged({ sshConfig: { ...written, programThere: false } });
    expect(ill.find(({ id }) => id === "ssh-config")?.fixes).toMatchObject([
      { command: ["banger", "ssh-config"], possible: true },
    ]);
    expect(verdict("ssh-config", { sshConfig: written }, systemPlace).summary).toContain("another daemon's");
  });

  test("is read as it is written", async () => {
    const home = mkdtempSync(join(tmpdir(), "banger-names-"));
    try {
      const knownHostsFile = "/state 100%/ssh/known_hosts";
      const text = configText({ identityFile: "/k", knownHostsFile }, ["/opt/it's 100%/banger"]);
      mkdirSync(join(home, ".config/banger"), { recursive: true });
      writeFileSync(join(home, ".config/banger/ssh_config"), text);
      expect(await lookAtSshConfig({ ...userPlace, env: { HOME: home } })).toMatchObject({
        ...{
          exists: true,
          program: "/opt/it's 100%/banger",
          programThere: false,
          knownHosts: knownHostsFile,
        },
      });
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});
