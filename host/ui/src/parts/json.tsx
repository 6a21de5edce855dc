/** Data as text: what a plugin was told, what a configuration was. Never more than text. */
import { useState } from "preact/hooks";
import { Copy } from "./copy";

/** So many characters are shown at once; the rest on demand. */
const SHOWN = 20_000;

/** Data as JSON. */
export function Json({ data, label }: { data: unknown; label: string }) {
  const [all, setAll] = useState(false);
  const text = JSON.stringify(data, null, 2) ?? "null";
  return (
    <div class="json-box">
      <div class="row spread">
        <h3>{label}</h3>
        <Copy text={text} label={`Copy: ${label}`} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by the keyboard */}
      <pre class="json" tabIndex={0}>
        {all ? text : text.slice(0, SHOWN)}
      </pre>
      {!all && text.length > SHOWN && (
        <button type="button" class="button" onClick={() => setAll(true)}>
          Show all {text.length.toLocaleString("en")} characters
        </button>
      )}
    </div>
  );
}
