/** Logging in: a token is swapped for a cookie, and the way leads back to where one wanted to go. */
import { useEffect, useRef, useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { useParam } from "../parts/address";
import { Command } from "../parts/copy";
import { Head, ProblemBox } from "../parts/page";
import { leave, logIn, session } from "../parts/session";

/** A path of these pages; anything else leads to the first of them. */
function inside(to: string): string {
  return /^\/(?![/\\])/.test(to) ? to : "/";
}

export default function Login() {
  const [, go] = useLocation();
  const [to] = useParam("to");
  const [token, setToken] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const who = session.value;
  const enter = async (event: Event) => {
    event.preventDefault();
    if (!token.trim() || busy) return;
    setBusy(true);
    setError(undefined);
    try {
      await logIn(token.trim());
      go(inside(to), { replace: true });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Head title="Log in" />
      <div class="card stack narrow">
        {who?.role && (
          <p>
            {who.user ? (
              <>
                You are logged in as <b class="name">{who.user}</b>.{" "}
              </>
            ) : (
              "Whoever reaches this address needs no token. "
            )}
            {who.role === "operate" ? "You may look at everything and change it." : "You may look at everything."}
          </p>
        )}
        <form class="stack" onSubmit={(event) => void enter(event)}>
          <label for="token">Token</label>
          <input
            ref={field}
            id="token"
            type="password"
            autocomplete="current-password"
            spellcheck={false}
            maxLength={1000}
            required
            value={token}
            aria-describedby="token-help"
            onInput={(event) => setToken(event.currentTarget.value)}
          />
          {error !== undefined && <ProblemBox error={error} />}
          <div class="row">
            <button type="submit" class="button primary" aria-disabled={busy || !token.trim()} aria-busy={busy}>
              Log in
            </button>
            {who?.user && (
              <button type="button" class="button" onClick={() => leave()}>
                Log out
              </button>
            )}
          </div>
        </form>
        <div id="token-help" class="stack faint">
          <p>
            A token is made on the machine where the host runs, and shown once. It says who did what in the audit trail.
          </p>
          <Command line="tidegate token new YOUR-NAME --role operate" />
          <p>
            With <code>--role read</code> one can look at everything and change nothing. The browser keeps the token in
            a cookie that no script can read; it never stands in an address.
          </p>
        </div>
      </div>
    </>
  );
}
