import { expect, test } from "vitest";
import { bodyOf, faultsOf, formOf, isEmpty, launchHref, paramsOf } from "./form";

const form = (query: string) => formOf(new URLSearchParams(query));

test("a link says what is to be run", () => {
  expect(bodyOf(form("job=smoke"))).toEqual({ job: "smoke" });
  expect(bodyOf(form("project=shop&assets=model.shop.a,model.shop.b&scope=downstream&full_refresh=1"))).toEqual({
    project: "shop",
    assets: ["model.shop.a", "model.shop.b"],
    scope: "downstream",
    parameters: { full_refresh: true },
  });
  expect(bodyOf(form("project=shop&select=fct_orders%2B%20tag:x&exclude=y"))).toEqual({
    project: "shop",
    select: ["fct_orders+", "tag:x"],
    exclude: ["y"],
  });
  expect(bodyOf(form("project=shop&failed=1"))).toEqual({ project: "shop", failed: true });
  expect(form("project=shop&scope=failed").failed).toBe(true);
  expect(isEmpty(form("project=shop&target=prod"))).toBe(true);
  expect(isEmpty(form("project=shop&failed_of=7"))).toBe(false);
});

test("a job's selection goes into its parameters, nodes have one of their own", () => {
  const query =
    "select=a&exclude=b&vars=%7B%22n%22%3A1%7D&target=prod&threads=4&full_refresh=0&ignore_gate=1&priority=-3";
  const parameters = { full_refresh: false, vars: { n: 1 }, target: "prod", threads: 4 };
  const more = { ignore_gate: true, priority: -3 };
  expect(bodyOf(form(`job=build&${query}`))).toEqual({
    job: "build",
    parameters: { ...parameters, select: ["a"], exclude: ["b"] },
    ...more,
  });
  expect(bodyOf(form(`project=shop&command=test&${query}`))).toEqual({
    project: "shop",
    command: "test",
    select: ["a"],
    exclude: ["b"],
    parameters,
    ...more,
  });
});

test("what was asked for comes back as the form that asked for it", () => {
  for (const query of [
    "job=build&select=a+%22b+c%22&full_refresh=0&threads=2&priority=5",
    "project=shop&assets=model.shop.a%252Cb,model.shop.c&scope=both&vars=%7B%22a%22%3A%5B1%5D%7D&ignore_gate=1",
    "project=shop&failed_of=12&command=run&exclude=x&full_refresh=1&target=prod",
  ]) {
    const body = bodyOf(form(query));
    expect(bodyOf(formOf(paramsOf(body)))).toEqual(body);
  }
});

test("faults are found before the host has to", () => {
  expect(faultsOf(form("job=a"))).toEqual({});
  const faults = faultsOf(
    form("job=a&vars=%7B&threads=0&select=--full-refresh&exclude=%22%22&assets=@gone&priority=x"),
  );
  expect(Object.keys(faults).sort()).toEqual(["assets", "exclude", "priority", "select", "threads", "vars"]);
});

test("links to the page carry what they were made of", () => {
  expect(launchHref({})).toBe("/launch");
  expect(launchHref({ job: "a&b" })).toBe("/launch?job=a%26b");
  expect(launchHref({ project: "shop", select: "fct_orders+" })).toBe("/launch?project=shop&select=fct_orders%2B");
  expect(launchHref({ again: 7 })).toBe("/launch?again=7");
  const href = launchHref({ project: "shop", assets: ["model.shop.a,b"], scope: "upstream", fullRefresh: true });
  expect(formOf(new URL(href, "http://x").searchParams)).toMatchObject({
    project: "shop",
    assets: ["model.shop.a,b"],
    scope: "upstream",
    fullRefresh: "yes",
  });
});
