/** Who looks at the pages, and what they may do. */
import { computed, effect, signal } from "@preact/signals";
import { api, ask, locked, queries, type Schemas } from "../api/client";
import { connection, listen } from "../api/live";
import { complain } from "./toast";

type Session = Schemas["Session"];

/** What the host says of whoever asks; none until it has. */
export const session = signal<Session | undefined>(undefined);

/** Why whoever looks may change nothing; none where they may. */
export const whyNot = computed(() =>
  session.value?.role === "read"
    ? "You may look, but not change anything: that takes a token with the role operate."
    : undefined,
);

/** Takes over what the host says of whoever asks. Somebody else sees everything anew, as they may see it. */
function enter(of: Session): void {
  const before = session.value;
  const wasLocked = locked.value || connection.value === "locked";
  session.value = of;
  locked.value = !of.role;
  const isSame = before?.user === of.user && before?.role === of.role;
  if (wasLocked ? of.role : before && !isSame) void queries.resetQueries();
  if (of.role && wasLocked && connection.value !== "open") listen();
}

/** Asks the host who asks. */
export async function recognize(): Promise<void> {
  enter(await ask(api.GET("/api/v1/session")));
}

/** Logs in by a token; the host keeps it in a cookie that no script can read. */
export async function logIn(token: string): Promise<void> {
  enter(await ask(api.POST("/api/v1/session", { body: { token } }), { isLogin: true }));
}

/** Logs out. */
export function leave(): void {
  void ask(api.DELETE("/api/v1/session")).then(enter, complain);
}

// A host that comes back may know other tokens, and may be another version.
effect(() => {
  if (connection.value === "open") recognize().catch(() => undefined);
});
