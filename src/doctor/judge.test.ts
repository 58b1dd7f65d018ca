import { describe, expect, test } from "bun:test";
import { adviceFor } from "./advice.ts";
import { defineCheck } from "./check.ts";
import { checks } from "./checks.ts";
import { conclude } from "./conclusion.ts";
import { within } from "./facts.ts";
import { judgeAll, type Result } from "./judge.ts";
import { debian, healthy, judged, systemPlace, userPlace } from "./testing/healthy.ts";
import { fail, pass, type State, skip, warn } from "./verdict.ts";

const advice = adviceFor(debian, false);
const check = (id: string, state: State, dependsOn: string[] = []) =>
  defineCheck({
    ...{ id, group: "machine", modes: ["user"], symptoms: [], meaning: "", cure: "", dependsOn },
    needs: ["machine"],
    judge: () =>
      ({ pass: pass("good"), warn: warn("poor", []), fail: fail("bad", ["mend it"]), skip: skip("no") })[
        state
      ],
  });
const machine = { machine: { known: true, value: healthy.machine } } as const;
const states = (results: readonly Result[]) => results.map(({ id, state }) => `${id} ${state}`);

describe("the checks", () => {
  test.each([
    ["user", userPlace],
    ["system", systemPlace],
  ] as const)("pass on a healthy host in %s mode", (_mode, place) => {
    expect(judged({}, place).filter(({ state }) => state !== "pass")).toEqual([]);
  });

  test("have names of their own, and depend on those before them in the same mode", () => {
    const before = new Map<string, readonly string[]>();
    for (const { id, modes, dependsOn } of checks) {
      expect(before.has(id)).toBe(false);
      for (const other of dependsOn) expect(before.get(other)).toEqual(expect.arrayContaining([...modes]));
      before.set(id, modes);
    }
  });

  test("all say what they mean, what shows, and what to do", () => {
    for (const { symptoms, meaning, cure } of checks) {
      expect(symptoms.length).toBeGreaterThan(0);
      expect(meaning).toMatch(/\.$/);
      expect(cure).toMatch(/[.)]$/);
    }
  });
});

describe("judging", () => {
  test("skips what depends on something that has failed, however far", () => {
    const table = [
      check("a", "fail"),
      check("b", "pass", ["a"]),
      check("c", "pass", ["b"]),
      check("d", "pass"),
    ];
    const results = judgeAll(table, machine, advice, userPlace);
    expect(states(results)).toEqual(["a fail", "b skip", "c skip", "d pass"]);
    expect(results[1]?.summary).toBe("not looked at, because of a");
  });

  test("goes on after a mere warning", () => {
    const table = [check("a", "warn"), check("b", "pass", ["a"])];
    expect(states(judgeAll(table, machine, advice, userPlace))).toEqual(["a warn", "b pass"]);
  });

  test("goes on beside what could not be looked at", () => {
    const table = [check("a", "pass"), check("b", "pass", ["a"])];
    const unknown = { machine: { known: false, kind: "failed", why: "EACCES" } } as const;
    expect(judgeAll(table, unknown, advice, userPlace)[1]?.summary).toBe("not known: EACCES");
  });

  test("skips what could not be looked at, and warns of what took too long", () => {
    const failed = { machine: { known: false, kind: "failed", why: "EACCES" } } as const;
    const late = { machine: { known: false, kind: "late", why: "no answer within 4 s" } } as const;
    expect(judgeAll([check("a", "pass")], failed, advice, userPlace)).toMatchObject([
      { state: "skip", summary: "not known: EACCES" },
    ]);
    expect(judgeAll([check("a", "pass")], late, advice, userPlace)).toMatchObject([
      { state: "warn", summary: "not known: no answer within 4 s" },
    ]);
  });
});

describe("a probe", () => {
  const patience = new AbortController().signal;

  test("is given up by whoever loses patience", async () => {
    const controller = new AbortController();
    const answer = within({ limitMs: 60_000, signal: controller.signal }, () => new Promise(() => {}));
    controller.abort();
    expect(await answer).toEqual({ known: false, kind: "late", why: "it was interrupted" });
  });

  test("that hangs is left alone, and told that it is over", async () => {
    let told: AbortSignal | undefined;
    const answer = await within({ limitMs: 5, signal: patience }, (signal) => {
      told = signal;
      return new Promise(() => {});
    });
    expect(answer).toMatchObject({ known: false, kind: "late" });
    expect(told?.aborted).toBe(true);
  });

  test("that throws is a fact that is not known", async () => {
    expect(
      await within({ limitMs: 1000, signal: patience }, () => {
        throw new Error("no such thing");
      }),
    ).toEqual({ known: false, kind: "failed", why: "no such thing" });
  });
});

describe("the conclusion", () => {
  const result = (id: string, state: State): Result => ({
    id,
    state,
    group: "",
    summary: "",
    evidence: [],
    remedy: [],
    fixes: [],
  });

  test("says what works, and what to look at", () => {
    expect(conclude([result("kvm", "pass")])).toEqual({
      works: "yes",
      text: "VMs work here, at full speed.",
      next: "banger vm run --rm",
    });
    expect(conclude([result("kvm", "warn"), result("git", "warn")]).text).toBe(
      "VMs work here, but slowly: without KVM their processor is emulated. Worth a look: git.",
    );
    expect(conclude([result("kvm", "warn"), result("qemu", "fail")])).toEqual({
      works: "no",
      text: "VMs do not work here: see qemu.",
      next: null,
    });
  });

  test("does not call a host useless for one VM that is lost", () => {
    expect(conclude([result("kvm", "pass"), result("vms", "fail")])).toMatchObject({
      works: "yes",
      text: "VMs work here, at full speed. Worth a look: vms.",
    });
  });
});
