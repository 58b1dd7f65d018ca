import { describe, expect, test } from "bun:test";
import type { Fix, Report, Result } from "../../doctor/doctor.ts";
import { banger } from "../testing/harness.ts";

const fix = (line: string, possible = true): Fix => ({ command: line.split(" "), line, possible });
const result = (id: string, state: Result["state"], ...fixes: Fix[]): Result => ({
  ...{ id, group: "Services", state, summary: "said", evidence: [], remedy: [] },
  fixes,
});
const report = (...results: Result[]): Report => ({
  distribution: { family: "debian", name: "Debian" },
  ...{ mode: "system", modeReason: "installed", results },
  conclusion: { works: "no", text: "VMs do not work here.", next: null },
});

/** A host that is well as soon as one of `cures` has been run. */
function host(ill: Report, cures: readonly string[]) {
  const ran: string[] = [];
  return {
    ran,
    options: {
      examine: async () =>
        ran.some((line) => cures.includes(line)) ? report(result("services", "pass")) : ill,
      runProgram: (command: readonly string[]) => {
        ran.push(command.join(" "));
        return cures.includes(command.join(" ")) ? 0 : 3;
      },
    },
  };
}
const restart = fix("banger system restart");

describe("banger doctor --fix", () => {
  test("names each fix once, for all its checks, runs it, and looks again", async () => {
    const ill = report(result("answers", "fail", restart), result("bridge", "fail", restart));
    const { ran, options } = host(ill, ["banger system restart"]);
    const { status, out, err } = await banger(["doctor", "--fix", "--yes"], options);
    expect([status, ran]).toEqual([0, ["banger system restart"]]);
    expect(err).toBe("for answers, bridge: banger system restart\n");
    expect(out).toContain("FAIL  answers");
    expect(out.slice(out.indexOf("FAIL  bridge"))).toContain("PASS  services");
  });

  test("does nothing without a yes, and cannot ask where nobody is", async () => {
    const { ran, options } = host(report(result("answers", "fail", restart)), []);
    const asked = await banger(["doctor", "--fix"], { ...options, tty: { stdin: true }, stdin: "n\n" });
    expect([asked.status, asked.err]).toEqual([1, "for answers: banger system restart\nrun it? [y/N] "]);
    const piped = await banger(["doctor", "--fix"], options);
    expect(piped.err).toContain("hint: without questions: banger doctor --fix --yes");
    expect(ran).toEqual([]);
  });

  test("leaves to root what is root's, as a line to paste", async () => {
    const ill = report(result("kvm", "warn", fix("sudo chmod 660 /dev/kvm", false)));
    const { ran, options } = host(ill, []);
    const { status, err } = await banger(["doctor", "--fix", "-y"], options);
    expect([status, ran]).toEqual([0, []]);
    expect(err).toStartWith("for kvm: sudo chmod 660 /dev/kvm  (needs root");
  });

  test("goes on after one that fails, and says so in the record", async () => {
    const ill = report(result("trusted", "fail", fix("chown root:root /x"), fix("chmod go-w /x")));
    const { ran, options } = host(ill, ["chmod go-w /x"]);
    const { status, out, err } = await banger(["doctor", "--fix", "--yes", "--json", "-q"], options);
    expect([status, ran.length]).toEqual([0, 2]);
    expect(err).toBe("banger: chown root:root /x ended with 3\n");
    expect(JSON.parse(out).mended).toEqual([
      { line: "chown root:root /x", checks: ["trusted"], outcome: "failed" },
      { line: "chmod go-w /x", checks: ["trusted"], outcome: "done" },
    ]);
  });

  test("says so when there is nothing to do, and does not look twice", async () => {
    let looks = 0;
    const examine = async () => {
      looks += 1;
      return report(result("services", "pass"));
    };
    expect((await banger(["doctor", "--fix"], { examine })).err).toBe(
      "there is nothing here that --fix could do\n",
    );
    expect(looks).toBe(1);
  });
});
