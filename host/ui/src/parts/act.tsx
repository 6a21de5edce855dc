/** Buttons that change something: only who may operate can use them, and everyone else is told why not. */
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { whyNot } from "./session";
import { complain, say } from "./toast";

type Props = {
  /** Does it; what it throws is shown. */
  act: () => Promise<unknown> | unknown;
  children: ComponentChildren;
  /** `primary`, `danger` or `quiet`. */
  kind?: "primary" | "danger" | "quiet" | undefined;
  /** Why it cannot be done now; none where it can. */
  unless?: string | null | undefined;
  /** What the button is called where its text does not say it. */
  label?: string | undefined;
  /** Whether a reader may use it too: it changes nothing. */
  harmless?: boolean;
};

/** A button that does something on the host. It stays reachable where it cannot be used, and says why. */
export function Act({ act, children, kind, unless, label, harmless }: Props) {
  const [busy, setBusy] = useState(false);
  const id = useId();
  const reason = unless ?? (harmless ? undefined : whyNot.value);
  const press = async () => {
    if (busy) return;
    if (reason) {
      say(reason, { tone: "idle" });
      return;
    }
    setBusy(true);
    try {
      await act();
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button
        type="button"
        class={`button ${kind ?? ""}`}
        aria-disabled={Boolean(reason) || busy}
        aria-busy={busy}
        aria-label={label}
        aria-describedby={reason ? id : undefined}
        title={reason ?? label}
        onClick={() => void press()}
      >
        {children}
      </button>
      {reason && (
        <span id={id} class="visually-hidden">
          {reason}
        </span>
      )}
    </>
  );
}
