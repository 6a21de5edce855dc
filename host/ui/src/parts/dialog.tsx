/** Dialogs: what needs an answer before anything else. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

/** A dialog over the page. Escape and a click beside it close it; the focus returns to where it was. */
export function Dialog(props: { title: string; onClose: () => void; class?: string; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  const close = useRef(props.onClose);
  close.current = props.onClose;
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the dialog's own
    <dialog
      ref={element}
      class={props.class}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        close.current();
      }}
      onClick={(event) => {
        const dialog = element.current;
        if (!dialog || event.target !== dialog) return;
        const box = dialog.getBoundingClientRect();
        const { clientX: x, clientY: y } = event;
        if (x < box.left || x > box.right || y < box.top || y > box.bottom) close.current();
      }}
    >
      <div class="stack">
        <h2 id={id} class="name">
          {props.title}
        </h2>
        {props.children}
      </div>
    </dialog>
  );
}

type Question = {
  title: string;
  text?: ComponentChildren;
  /** What the button says that does it. */
  action: string;
  danger?: boolean;
};
const asked = signal<(Question & { answer: (yes: boolean) => void }) | undefined>(undefined);

/** Asks before something is done that cannot be taken back. */
export function confirm(question: Question): Promise<boolean> {
  asked.value?.answer(false);
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer: (yes) => {
        asked.value = undefined;
        resolve(yes);
      },
    };
  });
}

/** Where such questions are shown. */
export function Confirms() {
  const question = asked.value;
  if (!question) return null;
  return (
    <Dialog title={question.title} onClose={() => question.answer(false)}>
      {question.text && <div class="name">{question.text}</div>}
      <div class="row end">
        <button type="button" class="button" onClick={() => question.answer(false)}>
          No, leave it
        </button>
        <button
          type="button"
          class={`button ${question.danger ? "danger" : "primary"}`}
          onClick={() => question.answer(true)}
        >
          {question.action}
        </button>
      </div>
    </Dialog>
  );
}
