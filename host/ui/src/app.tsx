/** The whole UI: what the address shows, and what stands around it. */
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { Route, Switch, useLocation } from "wouter-preact";
import { locked } from "./api/client";
import { connection, replaced } from "./api/live";
// The first page of most visits comes with what stands around it: whoever opens it waits for one script less.
import Overview from "./pages/overview";
import { Confirms, Dialog } from "./parts/dialog";
import { Keys, over, useKeys } from "./parts/keys";
import { Boundary, lazy, Missing, PageMissing } from "./parts/lazy";
import { Empty, Head } from "./parts/page";
import { Toasts } from "./parts/toast";
import { Away, Menu, Side } from "./shell";
import "./style/shell.css";

/** The palette did not come. */
function PaletteMissing({ again }: { again: () => void }) {
  return (
    <Dialog title="Find" onClose={() => (over.value = undefined)}>
      <Missing what="This could not be loaded." hint="The host may be away." again={again} />
    </Dialog>
  );
}

const page = (load: () => Promise<{ default: () => VNode }>) => lazy(async () => (await load()).default, PageMissing);
const Palette = lazy(async () => (await import("./palette")).default, PaletteMissing, null);
const Schedules = page(() => import("./pages/schedules"));
const Plugins = page(() => import("./pages/plugins"));
const pages = [
  { path: "/", Page: Overview },
  { path: "/assets", Page: page(() => import("./pages/assets")) },
  { path: "/assets/:project/:id", Page: page(() => import("./pages/asset")) },
  { path: "/lineage", Page: page(() => import("./pages/lineage")) },
  { path: "/runs", Page: page(() => import("./pages/runs")) },
  { path: "/runs/:id", Page: page(() => import("./pages/run")) },
  { path: "/launch", Page: page(() => import("./pages/launch")) },
  { path: "/schedules", Page: Schedules },
  { path: "/schedules/:job", Page: Schedules },
  { path: "/plugins", Page: Plugins },
  { path: "/plugins/:name", Page: Plugins },
  { path: "/alerts", Page: page(() => import("./pages/alerts")) },
  { path: "/audit", Page: page(() => import("./pages/audit")) },
  { path: "/login", Page: page(() => import("./pages/login")) },
];

function Over() {
  switch (over.value) {
    case "palette":
      return <Palette />;
    case "keys":
      return <Keys />;
    case "menu":
      return <Menu />;
    default:
      return null;
  }
}

/** Leads to the login where the host wants to know who asks, and from there back. */
function useLock(): void {
  const [path, go] = useLocation();
  const isLocked = locked.value || connection.value === "locked";
  useEffect(() => {
    if (!isLocked || path === "/login") return;
    const { pathname, search } = window.location;
    const from = `${pathname}${search}`;
    go(from === "/" ? "/login" : `/login?to=${encodeURIComponent(from)}`, { replace: true });
  }, [isLocked, path, go]);
}

/** A page that is opened from another one begins at its top, and is read out from there; going back leads to where one was. */
function useTop(): void {
  useEffect(() => {
    let before = window.location.pathname;
    const moved = (event: Event) => {
      const { pathname } = window.location;
      if (pathname === before) return;
      before = pathname;
      // Its scripts are those of the host before this one.
      if (replaced.value) window.location.reload();
      over.value = undefined;
      if (event.type === "popstate") return;
      window.scrollTo(0, 0);
      document.getElementById("main")?.focus({ preventScroll: true });
    };
    const kinds = ["pushState", "replaceState", "popstate"];
    for (const kind of kinds) addEventListener(kind, moved);
    return () => {
      for (const kind of kinds) removeEventListener(kind, moved);
    };
  }, []);
}

/** The whole UI. */
export function App() {
  useKeys();
  useLock();
  useTop();
  const [path] = useLocation();
  return (
    <div class="shell">
      <a class="skip button" href="#main">
        Skip to the page
      </a>
      <Side />
      <main id="main" tabIndex={-1}>
        <Away />
        <Boundary of={path} isPage>
          <Switch>
            {pages.map(({ path, Page }) => (
              <Route key={path} path={path} component={Page} />
            ))}
            <Route>
              <Head title="Not found" />
              <Empty>There is no such page. The sidebar shows which there are.</Empty>
            </Route>
          </Switch>
        </Boundary>
      </main>
      <Over />
      <Confirms />
      <Toasts />
    </div>
  );
}
