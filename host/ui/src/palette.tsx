/** The command palette: every page, asset, job and run, and what can be done, by a few letters. */
import { useQuery } from "@tanstack/react-query";
import fuzzysort from "fuzzysort";
import { Boxes, CalendarClock, History, Keyboard, type LucideIcon, Pause, Play, Search, SunMoon } from "lucide-preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { api, ask } from "./api/client";
import { assetHref, jobHref } from "./parts/address";
import { Dialog } from "./parts/dialog";
import { setPaused } from "./parts/jobs";
import { over } from "./parts/keys";
import { whyNot } from "./parts/session";
import { setTheme, theme, themes } from "./parts/theme";
import { complain, say } from "./parts/toast";
import { places } from "./shell";

type Entry = {
  id: string;
  text: string;
  /** What kind of thing it is. */
  kind: string;
  Icon: LucideIcon;
  /** Where it leads, or what it does. */
  run: string | (() => void);
};

/** How many are shown at most. */
const SHOWN = 30;

const close = () => {
  over.value = undefined;
};

function fixed(): Entry[] {
  const pages = places.map(({ path, title, Icon }) => ({
    id: `page ${path}`,
    text: title,
    kind: "page",
    Icon,
    run: path,
  }));
  return [
    ...pages,
    ...themes
      .filter((name) => name !== theme.value)
      .map((name) => ({
        id: `theme ${name}`,
        text: `Theme: ${name === "system" ? "as the system says" : name}`,
        kind: "setting",
        Icon: SunMoon,
        run: () => setTheme(name),
      })),
    {
      id: "keys",
      text: "Keyboard shortcuts",
      kind: "help",
      Icon: Keyboard,
      run: () => {
        over.value = "keys";
      },
    },
  ];
}

/** Pauses a job, or lets it go on, as its page does. */
function pauseOf(job: string, isPaused: boolean): Entry {
  return {
    id: `pause ${job}`,
    text: `${isPaused ? "Resume" : "Pause"} ${job}`,
    kind: "schedule",
    Icon: isPaused ? Play : Pause,
    run: () => {
      if (whyNot.value) say(whyNot.value, { tone: "idle" });
      else setPaused(job, !isPaused).catch(complain);
    },
  };
}

function useJobs(): Entry[] {
  const { data } = useQuery({
    queryKey: ["jobs"],
    queryFn: () => ask(api.GET("/api/v1/jobs")),
  });
  return useMemo(
    () =>
      (data ?? []).flatMap(({ name, paused, triggers }) => [
        {
          id: `run ${name}`,
          text: `Run ${name}`,
          kind: "launch",
          Icon: Play,
          run: `/launch?job=${encodeURIComponent(name)}`,
        },
        { id: `job ${name}`, text: name, kind: "job", Icon: CalendarClock, run: jobHref(name) },
        ...(triggers.length > 0 ? [pauseOf(name, Boolean(paused))] : []),
      ]),
    [data],
  );
}

/** The text, once nobody has typed for a moment. */
function useRested(text: string): string {
  const [rested, set] = useState(text);
  useEffect(() => {
    const timer = setTimeout(set, 120, text);
    return () => clearTimeout(timer);
  }, [text]);
  return rested;
}

function useAssets(text: string): Entry[] {
  const q = useRested(text.trim());
  const { data } = useQuery({
    queryKey: ["palette", "assets", q],
    queryFn: () => ask(api.GET("/api/v1/assets", { params: { query: { q, limit: SHOWN } } })),
    enabled: q.length > 0,
    placeholderData: (before) => before,
  });
  return useMemo(
    () =>
      (q ? (data?.items ?? []) : []).map((asset) => ({
        id: `asset ${asset.project} ${asset.unique_id}`,
        text: asset.key.join("/"),
        kind: asset.resource_type,
        Icon: Boxes,
        run: assetHref(asset.project, asset.unique_id),
      })),
    [data, q],
  );
}

/** What fits the text, best first. */
function found(text: string, entries: Entry[]): Entry[] {
  const query = text.trim();
  if (!query) return entries.filter((entry) => !/^(?:job|pause) /.test(entry.id)).slice(0, SHOWN);
  const run = /^(?:run\s+)?#?(\d{1,15})$/i.exec(query)?.[1];
  const number: Entry[] = run
    ? [{ id: `number ${run}`, text: `Run ${run}`, kind: "run", Icon: History, run: `/runs/${run}` }]
    : [];
  const fits = fuzzysort.go(query, entries, { key: (entry) => entry.text.slice(0, 300), limit: SHOWN, threshold: 0.2 });
  const everywhere: Entry = {
    id: "search",
    text: `Search the assets for “${query.slice(0, 60)}”`,
    kind: "search",
    Icon: Search,
    run: `/assets?q=${encodeURIComponent(query)}`,
  };
  return [...number, ...fits.map((fit) => fit.obj), everywhere];
}

/** The palette. */
export default function Palette() {
  const [, go] = useLocation();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const jobs = useJobs();
  const assets = useAssets(text);
  const entries = useMemo(() => found(text, [...fixed(), ...jobs, ...assets]), [text, jobs, assets]);
  const current = Math.min(at, entries.length - 1);
  useEffect(() => {
    list.current?.children[current]?.scrollIntoView({ block: "nearest" });
  }, [current]);
  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    close();
    if (typeof entry.run === "string") go(entry.run);
    else entry.run();
  };
  const press = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    const step = steps[event.key];
    if (step) {
      event.preventDefault();
      const to = current + step;
      const isOne = Math.abs(step) === 1;
      const around = (to + entries.length) % entries.length;
      setAt(isOne ? around : Math.max(0, Math.min(entries.length - 1, to)));
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      choose(entries[current]);
    }
  };
  return (
    <Dialog title="Find" class="palette" onClose={close}>
      <input
        autoFocus
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-autocomplete="list"
        aria-controls={`${id}-list`}
        aria-activedescendant={entries[current] ? `${id}-${current}` : undefined}
        aria-label="A page, an asset, a job, or a run by its number"
        placeholder="A page, an asset, a job, or a run by its number"
        autocomplete="off"
        spellcheck={false}
        maxLength={200}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={press}
      />
      <div ref={list} id={`${id}-list`} role="listbox" aria-label="What was found">
        {entries.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
          <div
            key={entry.id}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === current}
            onClick={() => choose(entry)}
            onMouseMove={() => setAt(index)}
          >
            <entry.Icon aria-hidden />
            <span class="clip grow">{entry.text}</span>
            <span class="faint small">{entry.kind}</span>
          </div>
        ))}
      </div>
    </Dialog>
  );
}
