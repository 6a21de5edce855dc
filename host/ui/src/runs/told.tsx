/** What alerts told of a run, what became of it, and what they were kept from telling. */
import { Link } from "wouter-preact";
import { Answer, Empty } from "../parts/page";
import { State } from "../parts/state";
import { moment, Time } from "../parts/time";
import { PluginName } from "./attempts";
import { useNotifications } from "./data";
import type { Delivery, Told as Notification, RunDetail } from "./shapes";
import { count, isFinished } from "./words";

export function Told({ run }: { run: RunDetail }) {
  return (
    <Answer of={useNotifications(run.id)}>
      {(told) =>
        told.length === 0 ? (
          <Empty>
            {isFinished(run.state)
              ? "No alert had anything to tell of it. "
              : "No alert has told anything of it so far. "}
            <Link href="/alerts">The alerts</Link>
          </Empty>
        ) : (
          <div class="stack">
            {told.map((one) => (
              <One key={one.id} told={one} />
            ))}
          </div>
        )
      }
    </Answer>
  );
}

const states: Record<string, string> = {
  suppressed: "not told",
  failed: "not sent",
  pending: "not yet written",
  rendered: "told",
};

function One({ told }: { told: Notification }) {
  return (
    <article class="card stack">
      <div class="row spread">
        <h2 class="name">{told.title}</h2>
        <Time at={told.at} />
      </div>
      <div class="row">
        <span class={`badge ${told.state === "failed" ? "bad" : told.state === "rendered" ? "good" : ""}`}>
          {states[told.state] ?? told.state}
        </span>
        <span class="faint">
          {told.kind} of the alert <Link href="/alerts">{told.alert}</Link>
        </span>
      </div>
      {told.reason && <p class="name">{told.reason}</p>}
      {told.fault && (
        <p class="name">
          {told.state === "rendered" ? "As a plain message: " : ""}
          {told.fault}
        </p>
      )}
      {told.deliveries.map((delivery) => (
        <Sent key={delivery.key} delivery={delivery} />
      ))}
      {told.state === "rendered" && told.deliveries.length === 0 && <p class="faint">The notifier sends nothing.</p>}
      {told.plugin && (
        <p class="small">
          <PluginName plugin={told.plugin} />
        </p>
      )}
    </article>
  );
}

function Sent({ delivery }: { delivery: Delivery }) {
  return (
    <div class="row delivery">
      <State state={delivery.state} />
      <span class="name">
        to <strong>{delivery.destination}</strong>
      </span>
      <span class="faint">
        {count(delivery.tries, "try").replace("trys", "tries")}
        {delivery.tried_at && `, the last at ${moment(delivery.tried_at)}`}
        {delivery.state === "pending" && delivery.next_at && `, again at ${moment(delivery.next_at)}`}
      </span>
      {(delivery.error ?? delivery.answer) && <div class="name small full">{delivery.error ?? delivery.answer}</div>}
    </div>
  );
}
