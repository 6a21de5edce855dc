import { expect, test } from "vitest";
import { isLostHere, readIds, writeIds } from "./ids";

function storage() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
}

test("short lists are written out, whatever stands in the names", () => {
  const ids = ["model.shop.a", "model.shop.a,b", "model.shop.100%", "model.shop.<script>", "@odd"];
  expect(readIds(writeIds(ids, storage()), storage())).toEqual(ids);
  expect(readIds("model.shop.a,model.shop.b", storage())).toEqual(["model.shop.a", "model.shop.b"]);
  expect(readIds("model.shop.5%", storage())).toEqual(["model.shop.5%"]);
  expect(readIds("", storage())).toEqual([]);
});

test("long lists are kept beside the address", () => {
  const kept = storage();
  const ids = Array.from({ length: 5000 }, (_, i) => `model.shop.m_${i}`);
  const text = writeIds(ids, kept);
  expect(text.length).toBeLessThan(30);
  expect(readIds(text, kept)).toEqual(ids);
  expect(readIds(text, storage())).toBeUndefined();
  expect(isLostHere(text, storage())).toBe(true);
  expect(isLostHere(text, kept)).toBe(false);
});
