/** The whole UI: what the address shows, and what stands around it. */
import { lazy, Suspense } from "preact/compat";
import { useEffect } from "preact/hooks";
import { Route, Switch, useLocation } from "wouter-preact";
import { locked } from "./api/client";
import { connection } from "./api/live";
// The first page of most visits comes with what stands around it: whoever opens it waits for one script less.
import Overview from "./pages/overview";
import { Confirms } from "./parts/dialog";
import { Keys, over, useKeys } from "./parts/keys";
import { Empty, Head, Waiting } from "./parts/page";
import { Toasts } from "./parts/toast";
import { Away, Menu, Side } from "./shell";
import "./style/shell.css";

const Palette = lazy(() => import("./palette"));
const Schedules = lazy(() => import("./pages/schedules"));
const Plugins = lazy(() => import("./pages/plugins"));
const pages = [
  { path: "/", Page: Overview },
  { path: "/assets", Page: lazy(() => import("./pages/assets")) },
  { path: "/assets/:project/:id", Page: lazy(() => import("./pages/asset")) },
  { path: "/lineage", Page: lazy(() => import("./pages/lineage")) },
  { path: "/runs", Page: lazy(() => import("./pages/runs")) },
  { path: "/runs/:id", Page: lazy(() => import("./pages/run")) },
  { path: "/launch", Page: lazy(() => import("./pages/launch")) },
  { path: "/schedules", Page: Schedules },
  { path: "/schedules/:job", Page: Schedules },
  { path: "/plugins", Page: Plugins },
  { path: "/plugins/:name", Page: Plugins },
  { path: "/alerts", Page: lazy(() => import("./pages/alerts")) },
  { path: "/audit", Page: lazy(() => import("./pages/audit")) },
  { path: "/login", Page: lazy(() => import("./pages/login")) },
];

function Over() {
  switch (over.value) {
    case "palette":
      return (
        <Suspense fallback={null}>
          <Palette />
        </Suspense>
      );
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
  return (
    <div class="shell">
      <a class="skip button" href="#main">
        Skip to the page
      </a>
      <Side />
      <main id="main" tabIndex={-1}>
        <Away />
        <Suspense fallback={<Waiting />}>
          <Switch>
            {pages.map(({ path, Page }) => (
              <Route key={path} path={path} component={Page} />
            ))}
            <Route>
              <Head title="Not found" />
              <Empty>There is no such page. The sidebar shows which there are.</Empty>
            </Route>
          </Switch>
        </Suspense>
      </main>
      <Over />
      <Confirms />
      <Toasts />
    </div>
  );
}
