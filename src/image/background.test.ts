import { describe, expect, test } from "bun:test";
import { Background } from "./background.ts";

const never = new AbortController().signal;
const failing = (message: string) => async () => {
  throw new Error(message);
};

describe("work beside a task", () => {
  test("is waited for when the task is done", async () => {
    const background = new Background(never);
    const gate = Promise.withResolvers<void>();
    background.start(() => gate.promise);
    let finished = false;
    const finishing = background.finish().then(() => {
      finished = true;
    });
    await Bun.sleep(1);
    expect(finished).toBe(false);
    gate.resolve();
    await finishing;
  });

  test("that has failed fails the task, by its first failure", async () => {
    const background = new Background(never);
    background.start(failing("first"));
    const second = background.start(failing("second"));
    await expect(second).rejects.toThrow("second");
    await expect(background.finish()).rejects.toThrow("first");
  });

  test("ends when the task has failed, and is told to nobody", async () => {
    const background = new Background(never);
    let ended = false;
    background.start(async () => {
      while (!background.signal.aborted) await Bun.sleep(1);
      ended = true;
      background.signal.throwIfAborted();
    });
    await background.stop();
    expect(ended).toBe(true);
  });

  test("ends with what the task itself goes by", () => {
    const task = new AbortController();
    const background = new Background(task.signal);
    task.abort();
    expect(background.signal.aborted).toBe(true);
  });
});
