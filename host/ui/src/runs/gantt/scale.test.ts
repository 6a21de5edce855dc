import { expect, test } from "vitest";
import { fromAddress, moved, restOf, ticks, toAddress, within, zoomed } from "./scale";

const whole = { from: 1000, to: 101_000 };

test("a span never leaves the whole, and never becomes too small to be looked at", () => {
  expect(within({ from: -5000, to: 5000 }, whole)).toEqual({ from: 1000, to: 11_000 });
  expect(within({ from: 100_000, to: 140_000 }, whole)).toEqual({ from: 61_000, to: 101_000 });
  expect(within({ from: 50_000, to: 50_000 }, whole).to).toBe(50_005);
  expect(within({ from: -1e9, to: 1e9 }, whole)).toEqual(whole);
  expect(within({ from: 0, to: 9 }, { from: 3, to: 4 })).toEqual({ from: 3, to: 4 });
});

test("zooming leaves what is under the pointer where it is", () => {
  const close = zoomed(whole, whole, 0.5, 26_000);
  expect(close).toEqual({ from: 13_500, to: 63_500 });
  expect((26_000 - close.from) / (close.to - close.from)).toBeCloseTo(0.25);
});

test("moving keeps the size at the ends", () => {
  expect(moved({ from: 2000, to: 12_000 }, whole, -9000)).toEqual({ from: 1000, to: 11_000 });
});

test("an address says the span, and that it is the whole", () => {
  expect(toAddress(whole, whole)).toBe("all");
  expect(fromAddress("all", whole, { from: 2000, to: 3000 })).toEqual(whole);
  const span = { from: 2500, to: 21_000 };
  expect(toAddress(span, whole)).toBe("1.5-20");
  expect(fromAddress("1.5-20", whole)).toEqual(span);
});

test("without an address the time before the first node is left out", () => {
  const rest = restOf({ from: 51_000, to: 60_000 }, whole);
  expect(rest.to).toBe(whole.to);
  expect(rest.from).toBe(48_000);
  expect(fromAddress("", whole, rest)).toEqual(rest);
  expect(restOf({ from: whole.from, to: 5000 }, whole)).toEqual(whole);
  expect(restOf(undefined, whole)).toEqual(whole);
});

test.each(["", "x", "5-3", "1-", "-1-2", "1e9-2", "1-2-3", "9".repeat(400)])(
  "of the address %j the whole is shown",
  (text) => {
    expect(fromAddress(text, whole)).toEqual(whole);
  },
);

test("ticks are at round distances, and not more than fit", () => {
  expect(ticks({ from: 0, to: 10_000 }, 0, 5).map((tick) => tick.label)).toEqual([
    "0 s",
    "2 s",
    "4 s",
    "6 s",
    "8 s",
    "10 s",
  ]);
  expect(ticks({ from: 500, to: 750 }, 0, 5).map((tick) => tick.label)).toEqual([
    "0.50 s",
    "0.55 s",
    "0.60 s",
    "0.65 s",
    "0.70 s",
    "0.75 s",
  ]);
  expect(ticks({ from: 60_000, to: 180_000 }, 0, 2).map((tick) => tick.label)).toEqual(["1:00", "2:00", "3:00"]);
  expect(ticks({ from: 3_600_000, to: 7_300_000 }, 0, 3).map((tick) => tick.label)).toEqual([
    "1:00:00",
    "1:30:00",
    "2:00:00",
  ]);
  expect(ticks({ from: 0, to: 9e12 }, 0, 10).length).toBeLessThan(13);
});
