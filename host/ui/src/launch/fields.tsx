/** Fields of the launch form. What is typed reaches the address a moment later, so that a link has it and typing stays quick. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { setParams, useParam } from "../parts/address";
import type { Fault } from "./words";

/** How long after the last key the address follows, in milliseconds. */
const REST = 250;

/** A text of the address as a field shows it. */
function useTyped(param: string): [string, (value: string) => void, () => void] {
  const [kept] = useParam(param);
  const [text, setText] = useState(kept);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const typed = useRef(kept);
  useEffect(() => {
    // The address was changed by something else than this field.
    if (kept !== typed.current) setText(kept);
    typed.current = kept;
  }, [kept]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const write = (value: string) => {
    clearTimeout(timer.current);
    typed.current = value;
    setParams({ [param]: value });
  };
  const latest = useRef(text);
  latest.current = text;
  const type = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => write(value), REST);
  };
  return [text, type, () => write(latest.current)];
}

type FieldProps = {
  param: string;
  label: string;
  help?: ComponentChildren;
  fault?: Fault | undefined;
  placeholder?: string | undefined;
};

function Explained({ id, help, fault }: { id: string; help: ComponentChildren; fault: Fault | undefined }) {
  return (
    <div id={id} class="small">
      {fault && (
        <div class="fault" role="status">
          {fault.line !== undefined && `Line ${fault.line}, column ${fault.column}: `}
          {fault.message}
        </div>
      )}
      {help && <div class="faint">{help}</div>}
    </div>
  );
}

/** A field of one line. */
export function TextField({ param, label, help, fault, placeholder, list }: FieldProps & { list?: string[] }) {
  const [text, type, now] = useTyped(param);
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        class="mono"
        value={text}
        placeholder={placeholder}
        list={list && `${id}-list`}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-invalid={Boolean(fault)}
        aria-describedby={`${id}-why`}
        onInput={(event) => type(event.currentTarget.value)}
        onBlur={now}
        onKeyDown={(event) => event.key === "Enter" && now()}
      />
      {list && (
        <datalist id={`${id}-list`}>
          {list.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
      <Explained id={`${id}-why`} help={help} fault={fault} />
    </div>
  );
}

/** A field of many lines, for JSON. */
export function TextArea({ param, label, help, fault, placeholder }: FieldProps) {
  const [text, type, now] = useTyped(param);
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const place = fault?.line !== undefined;
  const jump = () => {
    if (!area.current || fault?.line === undefined) return;
    const before =
      text
        .split("\n")
        .slice(0, fault.line - 1)
        .join("\n").length + (fault.line > 1 ? 1 : 0);
    const at = before + (fault.column ?? 1) - 1;
    area.current.focus();
    area.current.setSelectionRange(at, at + 1);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        ref={area}
        class="mono"
        rows={Math.min(12, Math.max(2, text.split("\n").length))}
        value={text}
        placeholder={placeholder}
        spellcheck={false}
        autocapitalize="off"
        aria-invalid={Boolean(fault)}
        aria-describedby={`${id}-why`}
        onInput={(event) => type(event.currentTarget.value)}
        onBlur={now}
      />
      <Explained id={`${id}-why`} help={help} fault={fault} />
      {place && (
        <button type="button" class="button quiet link" onClick={jump}>
          Show the place
        </button>
      )}
    </div>
  );
}

/** One of a few, each with what it means. */
export function Radios(props: {
  param: string;
  label: string;
  options: { value: string; text: string; title?: string }[];
}) {
  const [value, set] = useParam(props.param);
  const id = useId();
  const chosen = props.options.some((option) => option.value === value) ? value : (props.options[0]?.value ?? "");
  return (
    <fieldset class="field">
      <legend>{props.label}</legend>
      <div class="choices">
        {props.options.map((option, index) => (
          <label key={option.value} class="chip radio" title={option.title}>
            <input
              type="radio"
              name={id}
              checked={option.value === chosen}
              onChange={() => set(index === 0 ? "" : option.value)}
            />
            {option.text}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Yes or no. */
export function CheckField({ param, label, help }: { param: string; label: string; help?: ComponentChildren }) {
  const [value, set] = useParam(param);
  const id = useId();
  return (
    <div class="field">
      <label class="row check">
        <input
          type="checkbox"
          checked={value === "1"}
          aria-describedby={help ? id : undefined}
          onChange={(event) => set(event.currentTarget.checked ? "1" : "")}
        />
        {label}
      </label>
      {help && (
        <div id={id} class="small faint">
          {help}
        </div>
      )}
    </div>
  );
}
