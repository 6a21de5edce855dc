/** A text that can be very long: its beginning, and the rest for whoever wants it. */
import { useState } from "preact/hooks";

/** So many characters are shown at once. */
const SHOWN = 600;

/** A text in its own lines. */
export function LongText({ text, shown = SHOWN }: { text: string; shown?: number }) {
  const [all, setAll] = useState(false);
  if (text.length <= shown) return <p class="name lines">{text}</p>;
  return (
    <div>
      <p class="name lines">{all ? text : `${text.slice(0, shown)}…`}</p>
      <button type="button" class="link" aria-expanded={all} onClick={() => setAll(!all)}>
        {all ? "Show less" : `Show all ${text.length.toLocaleString("en")} characters`}
      </button>
    </div>
  );
}
