/** The API, typed by the host's own description of it. Every page asks through here. */

import { signal } from "@preact/signals";
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];

export const api = createClient<paths>({ baseUrl: "/", credentials: "same-origin" });

// The host changes nothing for what a form of another site could send: each change says that it is JSON, without a body too.
api.use({
  onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("Content-Type", "application/json");
    return request;
  },
});

/** What an answer of the API says went wrong, or that there was none. */
export class ApiError extends Error {
  readonly status: number;
  readonly hint: string | undefined;

  constructor(status: number, detail: string, hint?: string | null) {
    super(detail);
    this.status = status;
    this.hint = hint ?? undefined;
  }
}

/** Whether the host has answered that it wants to know first who asks. */
export const locked = signal(false);

/** How often the host did not answer at all. */
export const unanswered = signal(0);

type Answer<T> = { data?: T; error?: unknown; response: Response };

/**
 * The data of an answer; an answer that is none is thrown as an `ApiError`. A 401 locks the pages until someone logs in, but for
 * the one to a login: it speaks of the token that was typed, not of whoever looks.
 */
export async function ask<T>(asked: Promise<Answer<T>>, of: { isLogin?: boolean } = {}): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch {
    unanswered.value += 1;
    throw new ApiError(0, "The host does not answer.", "It may be restarting; this page asks again by itself.");
  }
  if (answer.response.ok) return answer.data as T;
  // A proxy answers for a host that is away.
  if ([502, 504].includes(answer.response.status)) {
    unanswered.value += 1;
    throw new ApiError(0, "The host does not answer.", "It may be restarting; this page asks again by itself.");
  }
  if (answer.response.status === 401 && !of.isLogin) locked.value = true;
  const problem = answer.error as Partial<Problem> | undefined;
  throw new ApiError(answer.response.status, problem?.detail ?? answer.response.statusText, problem?.hint);
}

/** A host that is away comes back: reads are tried again, what it refuses is not. */
export const queries = new QueryClient({
  queryCache: new QueryCache(),
  mutationCache: new MutationCache(),
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      networkMode: "always",
      retry: (count, error) => !(error instanceof ApiError && error.status >= 400) && count < 3,
      retryDelay: 500,
    },
    mutations: { networkMode: "always" },
  },
});
