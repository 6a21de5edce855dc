/** What pages are made of: their head, what they show while they wait, and what they say when something is wrong. */
import { CircleAlert, LoaderCircle } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError } from "../api/client";

/** The head of a page; its title is the window's too. */
export function Head(props: {
  title: string;
  crumbs?: ComponentChildren;
  badge?: ComponentChildren;
  children?: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${props.title.slice(0, 120)} · Tidegate`;
  }, [props.title]);
  return (
    <header class="page-head">
      <div class="grow">
        {props.crumbs && <div class="crumbs">{props.crumbs}</div>}
        <h1 class="row">
          <span class="clip">{props.title}</span> {props.badge}
        </h1>
      </div>
      <div class="row">{props.children}</div>
    </header>
  );
}

/** Why something is not there. */
export function ProblemBox({ error }: { error: unknown }) {
  const hint = error instanceof ApiError ? error.hint : undefined;
  return (
    <div class="notice bad" role="alert">
      <CircleAlert aria-hidden />
      <div>
        <div>{error instanceof Error ? error.message : "Something went wrong."}</div>
        {hint && <div class="faint">{hint}</div>}
      </div>
    </div>
  );
}

/** Something is on its way. */
export function Waiting() {
  return (
    <div class="empty" role="status">
      <LoaderCircle class="spin" aria-hidden /> <span class="visually-hidden">Loading</span>
    </div>
  );
}

/** There is nothing, and what to do about it. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}

/** Shows what was asked for. What is known stays while it is asked again, and while the host is away. */
export function Answer<T>({
  of,
  children,
}: {
  of: { data: T | undefined; error: unknown };
  children: (data: T) => ComponentChildren;
}) {
  if (of.data !== undefined) {
    return (
      <>
        {of.error instanceof ApiError && of.error.status >= 400 && <ProblemBox error={of.error} />}
        {children(of.data)}
      </>
    );
  }
  return of.error ? <ProblemBox error={of.error} /> : <Waiting />;
}
