/** A bar of filters. What they are set to is in the address, so that a filtered list can be linked to. */
import { Search as SearchIcon, X } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { setParams, useListParam, useParam } from "./address";
import { toneOf } from "./state";

/** How long after the last key a search begins, in milliseconds. */
const REST = 200;

/** A bar of filters. `params` are those that `Clear` takes away. */
export function Filters({ label, params, children }: { label: string; params: string[]; children: ComponentChildren }) {
  return (
    <search class="filters" aria-label={label}>
      {children}
      <Clear params={params} />
    </search>
  );
}

/** A text to search for. The key `/` leads to the first of a page. */
export function Search({ param = "q", label }: { param?: string; label: string }) {
  const [set, setParam] = useParam(param);
  const [text, setText] = useState(set);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const typed = useRef(set);
  useEffect(() => {
    // The address was changed by something else than this field.
    if (set !== typed.current) setText(set);
    typed.current = set;
  }, [set]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <div class="search">
      <SearchIcon aria-hidden />
      <input
        type="search"
        data-search
        aria-label={label}
        placeholder={label}
        value={text}
        maxLength={500}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          const value = event.currentTarget.value;
          setText(value);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => {
            typed.current = value;
            setParam(value);
          }, REST);
        }}
      />
    </div>
  );
}

export type Option = { value: string; text?: string | undefined };

/** One of several; none is all of them. */
export function Choice(props: { param: string; label: string; options: Option[]; all?: string }) {
  const [value, set] = useParam(props.param);
  const id = useId();
  const known = props.options.some((option) => option.value === value);
  return (
    <div class="choice">
      <label for={id}>{props.label}</label>
      <select id={id} value={value} onChange={(event) => set(event.currentTarget.value)}>
        <option value="">{props.all ?? "all"}</option>
        {value && !known && <option value={value}>{value.slice(0, 80)}</option>}
        {props.options.map((option) => (
          <option key={option.value} value={option.value}>
            {(option.text ?? option.value).slice(0, 80)}
          </option>
        ))}
      </select>
    </div>
  );
}

/** Any of several, such as states; none is all of them. */
export function Choices(props: { param: string; label: string; options: (Option & { count?: number })[] }) {
  const [values, set] = useListParam(props.param);
  return (
    <div class="choices" role="group" aria-label={props.label}>
      {props.options.map(({ value, text, count }) => {
        const chosen = values.includes(value);
        return (
          <button
            key={value}
            type="button"
            class={`chip ${toneOf(value)}`}
            aria-pressed={chosen}
            onClick={() => set(chosen ? values.filter((other) => other !== value) : [...values, value])}
          >
            {text ?? value}
            {count !== undefined && <span class="faint">{count.toLocaleString("en")}</span>}
          </button>
        );
      })}
    </div>
  );
}

/** Takes all filters away; it is there when one is set. */
export function Clear({ params }: { params: string[] }) {
  useParam("");
  const set = new URLSearchParams(window.location.search);
  if (!params.some((param) => set.has(param))) return null;
  return (
    <button
      type="button"
      class="button quiet"
      onClick={() => setParams(Object.fromEntries(params.map((param) => [param, ""])))}
    >
      <X aria-hidden /> Clear
    </button>
  );
}
