import { expect, test, vi } from "vitest";
import { unanswered } from "../api/client";
import { type Cures, Script, type Why } from "./script";

/** A script that comes at some of the tries, and what is done about those at which it does not. */
function tried(comes: boolean[], whys: Why[], canLoadAnew = true) {
  const load = vi.fn(async () => {
    if (comes.shift()) return "the script";
    throw new TypeError("Failed to fetch dynamically imported module");
  });
  const cures = {
    why: vi.fn(async () => whys.shift() ?? "there"),
    mend: vi.fn(async () => undefined),
    anew: vi.fn(() => canLoadAnew),
  } satisfies Cures;
  return { script: new Script(load, cures), load, cures };
}

const settled = () => new Promise((done) => setTimeout(done, 0));

test("a script that is there is asked for once, however often it is wanted", async () => {
  const { script, load } = tried([true], []);
  script.ask();
  script.ask();
  await settled();
  script.ask();
  expect(script.came.value).toEqual({ part: "the script" });
  expect(load).toHaveBeenCalledTimes(1);
});

test("a script that did not come while the host was away comes when it is wanted again", async () => {
  const { script, load, cures } = tried([false, false, true], ["away", "away"]);
  const before = unanswered.value;
  script.ask();
  await settled();
  expect(script.came.value.error).toBeInstanceOf(TypeError);
  expect(unanswered.value, "the host is known to be away").toBe(before + 1);
  script.ask();
  expect(script.came.value, "it is on its way").toEqual({});
  await settled();
  expect(script.came.value.error).toBeDefined();
  script.ask();
  await settled();
  expect(script.came.value).toEqual({ part: "the script" });
  expect(load).toHaveBeenCalledTimes(3);
  expect(cures.mend, "what belongs to it is mended before it is asked for again").toHaveBeenCalledTimes(2);
  expect(cures.anew).not.toHaveBeenCalled();
});

test("the page is loaded anew where the host has other scripts by now", async () => {
  const { script, load, cures } = tried([false], ["replaced"]);
  script.ask();
  await settled();
  expect(cures.anew).toHaveBeenCalledTimes(1);
  expect(script.came.value, "nobody is told of a fault that is about to be gone").toEqual({});
  expect(load).toHaveBeenCalledTimes(1);
});

test("a host that is there is asked twice before the page is loaded anew", async () => {
  const { script, load, cures } = tried([false, false], ["there", "there"]);
  script.ask();
  await settled();
  expect(load).toHaveBeenCalledTimes(2);
  expect(cures.anew).toHaveBeenCalledTimes(1);
});

test("what a page that was loaded anew just now misses still is told", async () => {
  const { script } = tried([false, false, true], ["there", "there"], false);
  script.ask();
  await settled();
  expect(script.came.value.error).toBeDefined();
  script.ask();
  await settled();
  expect(script.came.value).toEqual({ part: "the script" });
});
