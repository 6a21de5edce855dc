/** Tabs of which the address says which is open. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useParam } from "./address";
import { Boundary } from "./lazy";

export type Tab = { id: string; title: ComponentChildren; body: () => ComponentChildren };

/** Drawn by itself, so that what goes wrong in it is told of in its place. */
function Body({ of }: { of: Tab }) {
  return <>{of.body()}</>;
}

/** Tabs; the first is open where the address names none. Arrow keys go from one to the next. */
export function Tabs({ tabs, param = "tab", label }: { tabs: Tab[]; param?: string; label: string }) {
  const [named, open] = useParam(param);
  const current = tabs.find((tab) => tab.id === named) ?? tabs[0];
  const list = useRef<HTMLDivElement>(null);
  const opened = current?.id;
  useLayoutEffect(() => {
    const tab = list.current?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (!list.current || !tab) return;
    // On a phone the tabs are wider than the window: only they are moved, not the page.
    const [outer, inner] = [list.current.getBoundingClientRect(), tab.getBoundingClientRect()];
    if (inner.right > outer.right) list.current.scrollLeft += inner.right - outer.right + 24;
    else if (inner.left < outer.left) list.current.scrollLeft -= outer.left - inner.left + 24;
  }, [opened]);
  if (!current) return null;
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const next = tabs[(tabs.indexOf(current) + step + tabs.length) % tabs.length];
    if (!step || !next) return;
    event.preventDefault();
    open(next.id);
    document.getElementById(`tab-${param}-${next.id}`)?.focus();
  };
  return (
    <div class="stack">
      <div ref={list} class="tabs" role="tablist" aria-label={label}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            id={`tab-${param}-${tab.id}`}
            type="button"
            role="tab"
            aria-selected={tab === current}
            aria-controls={`panel-${param}`}
            tabIndex={tab === current ? 0 : -1}
            onClick={() => open(tab.id)}
            onKeyDown={move}
          >
            {tab.title}
          </button>
        ))}
      </div>
      <div id={`panel-${param}`} role="tabpanel" aria-labelledby={`tab-${param}-${current.id}`}>
        <Boundary of={current.id}>
          <Body of={current} />
        </Boundary>
      </div>
    </div>
  );
}
