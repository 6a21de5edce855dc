/** Parts of the UI whose script comes when they are first shown, and what is shown where it does not, or cannot be drawn. */
import { CircleAlert } from "lucide-preact";
import { Component, type ComponentChildren, type ComponentType, type VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { connection } from "../api/live";
import { Head, Waiting } from "./page";
import { Script } from "./script";

type Failed = ComponentType<{ again: () => void }>;

/** Says what is not there, with a button that tries again. */
export function Missing(props: { what: string; hint: ComponentChildren; again: () => void }) {
  return (
    <div class="notice bad" role="alert">
      <CircleAlert aria-hidden />
      <div class="grow">
        <div>{props.what}</div>
        <div class="faint name">{props.hint}</div>
      </div>
      <button type="button" class="button" onClick={props.again}>
        Load again
      </button>
    </div>
  );
}

/** A part of a page did not come. */
function PartMissing({ again }: { again: () => void }) {
  return (
    <Missing
      what="This could not be loaded."
      hint="The host may be away. As soon as it is heard, this is asked for again by itself."
      again={again}
    />
  );
}

/** A page did not come. */
export function PageMissing({ again }: { again: () => void }) {
  return (
    <>
      <Head title="Not loaded yet" />
      <PartMissing again={again} />
    </>
  );
}

/** A part whose script comes when it is first shown; again at each visit, and when the host is heard again, where it did not. */
export function lazy<P extends object>(
  load: () => Promise<(props: P) => VNode>,
  Failed: Failed = PartMissing,
  waiting: VNode | null = <Waiting />,
) {
  const script = new Script(load);
  return function Lazy(props: P) {
    useState(() => script.ask());
    const { part: Part, error } = script.came.value;
    const isHeard = connection.value === "open";
    useEffect(() => {
      if (isHeard) script.ask();
    }, [isHeard]);
    if (Part) return <Part {...props} />;
    return error === undefined ? waiting : <Failed again={() => script.ask()} />;
  };
}

type Caught = { of: string; error?: unknown };

/** Says of what is in it that it could not be drawn, where that is so; until something else is shown in it. */
export class Boundary extends Component<{ of: string; isPage?: boolean; children: ComponentChildren }, Caught> {
  static getDerivedStateFromProps({ of }: { of: string }, before: Caught): Caught | null {
    return before.of === of ? null : { of, error: undefined };
  }

  static getDerivedStateFromError(error: unknown): Partial<Caught> {
    return { error: error ?? "nothing was said" };
  }

  componentDidCatch(error: unknown): void {
    console.error(error);
  }

  render() {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <>
        {this.props.isPage && <Head title="Something went wrong" />}
        <Missing
          what="This could not be drawn: it is a fault of the page, not of what it shows."
          hint={error instanceof Error ? error.message : String(error)}
          again={() => window.location.reload()}
        />
      </>
    );
  }
}
