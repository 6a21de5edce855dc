/** What stands around every page: where one can go, how the host is, who looks, and whether the host is heard. */
import {
  Bell,
  Boxes,
  CalendarClock,
  Ellipsis,
  Eye,
  History,
  Keyboard,
  LayoutDashboard,
  LogIn,
  LogOut,
  type LucideIcon,
  Monitor,
  Moon,
  Play,
  Puzzle,
  ScrollText,
  Search,
  Sun,
  WifiOff,
  Workflow,
} from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { connection, heardAt } from "./api/live";
import { Dialog } from "./parts/dialog";
import { useFailing, useStatus } from "./parts/health";
import { over } from "./parts/keys";
import { useLateness } from "./parts/late";
import { leave, session, whyNot } from "./parts/session";
import { nextTheme, setTheme, theme } from "./parts/theme";
import { moment } from "./parts/time";
import { say } from "./parts/toast";

export const places: { path: string; title: string; Icon: LucideIcon }[] = [
  { path: "/", title: "Overview", Icon: LayoutDashboard },
  { path: "/assets", title: "Assets", Icon: Boxes },
  { path: "/lineage", title: "Lineage", Icon: Workflow },
  { path: "/runs", title: "Runs", Icon: History },
  { path: "/launch", title: "Launch", Icon: Play },
  { path: "/schedules", title: "Schedules", Icon: CalendarClock },
  { path: "/plugins", title: "Plugins", Icon: Puzzle },
  { path: "/alerts", title: "Alerts", Icon: Bell },
  { path: "/audit", title: "Audit", Icon: ScrollText },
];

type Count = { number: number; words: string; tone: "bad" | "run" | "idle" };

/** The numbers beside the places, each with what it counts. */
function useCounts(): Record<string, Count[]> {
  const { data: status } = useStatus();
  const failing = useFailing();
  const counts = (...all: [number, string, Count["tone"]][]): Count[] =>
    all.filter(([number]) => number > 0).map(([number, words, tone]) => ({ number, words, tone }));
  return {
    "/assets": counts([failing.assets, "failing", "bad"]),
    "/runs": counts([status?.running.length ?? 0, "running", "run"], [status?.queued ?? 0, "waiting", "idle"]),
    "/schedules": counts([failing.jobs, "failing", "bad"]),
    "/alerts": counts([status?.failing_deliveries ?? 0, "messages that could not be sent yet", "bad"]),
  };
}

function useIsOpen(): (path: string) => boolean {
  const [path] = useLocation();
  return (of) => (of === "/" ? path === "/" : path === of || path.startsWith(`${of}/`));
}

function Place({ at, counts }: { at: (typeof places)[number]; counts?: Count[] | undefined }) {
  const isOpen = useIsOpen();
  return (
    <Link
      href={at.path}
      aria-current={isOpen(at.path) ? "page" : undefined}
      onClick={() => {
        over.value = undefined;
      }}
    >
      <at.Icon aria-hidden />
      <span class="place">{at.title}</span>
      {counts?.map(({ number, words, tone }) => (
        <span key={words} class={`count ${tone}`} title={`${number} ${words}`}>
          {number > 999 ? "999+" : number}
          <span class="visually-hidden"> {words}</span>
        </span>
      ))}
    </Link>
  );
}

const themeIcons = { system: Monitor, light: Sun, dark: Moon };

/** Who looks, and what this browser is set to. */
function Settings() {
  const Icon = themeIcons[theme.value];
  const who = session.value;
  return (
    <div class="settings">
      {whyNot.value && (
        <p class="small who" title={whyNot.value}>
          <Eye aria-hidden /> Read only: to change anything takes a token with the role operate.
        </p>
      )}
      {who?.user && <p class="small faint clip">{who.user}</p>}
      <div class="row">
        <button
          type="button"
          class="button quiet icon"
          aria-label={`Theme: ${theme.value}`}
          title={`Theme: ${theme.value}`}
          onClick={() => setTheme(nextTheme())}
        >
          <Icon aria-hidden />
        </button>
        <button
          type="button"
          class="button quiet icon"
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
          onClick={() => {
            over.value = "keys";
          }}
        >
          <Keyboard aria-hidden />
        </button>
        {who?.user ? (
          <button type="button" class="button quiet icon" aria-label="Log out" title="Log out" onClick={() => leave()}>
            <LogOut aria-hidden />
          </button>
        ) : (
          <Link href="/login" class="button quiet icon" aria-label="Log in" title="Log in">
            <LogIn aria-hidden />
          </Link>
        )}
      </div>
    </div>
  );
}

/** Where one can go: at the side of a wide window, at the bottom of a narrow one. */
export function Side() {
  useLateness();
  const counts = useCounts();
  return (
    <aside class="side" aria-label="Tidegate">
      <Link href="/" class="brand">
        <img src="/icon.svg" alt="" /> Tidegate
      </Link>
      <button
        type="button"
        class="find"
        aria-keyshortcuts="Control+K Meta+K"
        onClick={() => {
          over.value = "palette";
        }}
      >
        <Search aria-hidden /> Find <kbd>Ctrl K</kbd>
      </button>
      <nav aria-label="Pages">
        {places.map((place) => (
          <Place key={place.path} at={place} counts={counts[place.path]} />
        ))}
        <button
          type="button"
          class="others"
          aria-haspopup="dialog"
          onClick={() => {
            over.value = "menu";
          }}
        >
          <Ellipsis aria-hidden />
          <span class="place">More</span>
        </button>
      </nav>
      <div class="foot">
        <Settings />
      </div>
    </aside>
  );
}

/** All places and settings, for a window that is too narrow to show them. */
export function Menu() {
  const counts = useCounts();
  return (
    <Dialog
      title="All pages"
      class="menu"
      onClose={() => {
        over.value = undefined;
      }}
    >
      <button
        type="button"
        class="button"
        onClick={() => {
          over.value = "palette";
        }}
      >
        <Search aria-hidden /> Find a page, an asset, a job or a run
      </button>
      <nav aria-label="All pages">
        {places.map((place) => (
          <Place key={place.path} at={place} counts={counts[place.path]} />
        ))}
      </nav>
      <Settings />
    </Dialog>
  );
}

/** How long the host may be silent before that is said, in milliseconds: one that restarts is back sooner. */
const SILENT = 800;

/** Says that the host is away, and when it is back. */
export function Away() {
  const state = connection.value;
  const [said, setSaid] = useState(false);
  const wasSaid = useRef(false);
  useEffect(() => {
    if (state === "lost") {
      const timer = setTimeout(() => {
        wasSaid.current = true;
        setSaid(true);
      }, SILENT);
      return () => clearTimeout(timer);
    }
    if (state === "open" && wasSaid.current) say("The host is back. What you see is up to date.");
    wasSaid.current = false;
    setSaid(false);
    return undefined;
  }, [state]);
  return (
    <div role="status" class="away-place">
      {said && (
        <div class="away">
          <WifiOff aria-hidden />
          <span>
            <strong>host away</strong>{" "}
            <span>
              What is shown is as of {moment(new Date(heardAt.value).toISOString())} and may be old. This page asks
              again by itself.
            </span>
          </span>
        </div>
      )}
    </div>
  );
}
