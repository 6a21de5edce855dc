/** A text that is there to be copied. */
import { Check, Copy as CopyIcon } from "lucide-preact";
import { useState } from "preact/hooks";

/** A button that copies; a page that was not served securely has no clipboard, there the text is selected instead. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="button quiet" onClick={() => void copy()} aria-label={label} title={label}>
      {done ? <Check aria-hidden /> : <CopyIcon aria-hidden />}
    </button>
  );
}

/** A command as it can be pasted into a terminal. */
export function Command({ line }: { line: string }) {
  return (
    <div class="row">
      <pre class="grow">{line}</pre>
      <Copy text={line} label="Copy the command" />
    </div>
  );
}
