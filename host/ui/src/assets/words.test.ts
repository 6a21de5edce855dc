import { expect, test } from "vitest";
import { isoWords, limitWords, linkOf, secondsOf, spanWords, thresholdSeconds, thresholdWords } from "./words";

test("spans of the API are read, and what is none is shown as it is", () => {
  expect(secondsOf("PT1M30S")).toBe(90);
  expect(secondsOf("P1DT4H")).toBe(100_800);
  expect(secondsOf("-PT0.5S")).toBe(-0.5);
  expect(secondsOf("P")).toBeUndefined();
  expect(secondsOf("4 hours")).toBeUndefined();
  expect(isoWords("PT4H")).toBe("4 h");
  expect(isoWords("soon")).toBe("soon");
});

test("a span is told in at most two parts", () => {
  expect(spanWords(100_830)).toBe("1 d 4 h");
  expect(spanWords(3605)).toBe("1 h");
  expect(spanWords(61)).toBe("1 min 1 s");
  expect(spanWords(0.25)).toBe("0.25 s");
});

test("limits of freshness read as a sentence does", () => {
  expect(limitWords({ within: "PT4H" })).toBe("built within 4 h");
  expect(limitWords({ within: "PT4H", deadline: { expression: "0 9 * * *", time_zone: "UTC" } })).toBe(
    "built within 4 h at `0 9 * * *` in UTC",
  );
  expect(thresholdWords({ warn_after: "6 hours", error_after: null })).toBe("warn after 6 hours");
  expect(thresholdWords(null)).toBe("");
  expect(thresholdSeconds("6 hours")).toBe(21_600);
  expect(thresholdSeconds("1 day")).toBe(86_400);
  expect(thresholdSeconds("later")).toBeUndefined();
});

test("only a mail address or a page becomes a link", () => {
  expect(linkOf("ada@example.com")).toBe("mailto:ada@example.com");
  expect(linkOf("ada%0a@example.com")).toBe("mailto:ada%250a@example.com");
  expect(linkOf("https://example.com/a b")).toBe("https://example.com/a%20b");
  for (const text of [
    "javascript:alert(1)",
    "JaVaScRiPt://example.com/%0aalert(1)",
    "data:text/html,x",
    "mailto:ada@example.com",
    "ada@example.com?bcc=eve@example.com",
    "team-data",
    "@team/data",
    "//example.com",
    "file:///etc/passwd",
    "https://",
  ]) {
    expect(linkOf(text), text).toBeUndefined();
  }
});
