//! `tidegate alerts`: who is told of what, what is failing, and silence for a while.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::{
    Context, Exit, Failure,
    host::{Handle, join},
    launch::user,
    printer::{self, BAD, FAINT, ODD, styled},
    progress::short,
};
use crate::{
    dbt::plain,
    engine::{self, Role},
    model::{NotificationKind, ResourceType, Subject},
    view::alerts::{self, AlertDetail},
};

/// Shows who is told of what, and what is failing.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Alerts {
    #[command(subcommand)]
    verb: Option<AlertsVerb>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum AlertsVerb {
    /// Hear nothing of an alert for a while; what happens meanwhile is on record
    #[command(group = clap::ArgGroup::new("time").required(true))]
    Snooze {
        /// The alert's name
        alert: String,
        /// For how long, such as 2h
        #[arg(long = "for", value_name = "SPAN", value_parser = span, group = "time")]
        span: Option<SignedDuration>,
        /// Until when, such as 2027-03-27T08:00:00Z
        #[arg(long, value_name = "TIME", value_parser = until, group = "time")]
        until: Option<Timestamp>,
        /// Hear of it again
        #[arg(long, group = "time")]
        off: bool,
    },
}

fn span(text: &str) -> Result<SignedDuration, String> {
    let bad = || "write `90m`, `2h` or `3d`".to_owned();
    let span: Span = text.parse().map_err(|_| bad())?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
    if span.is_positive() { Ok(span) } else { Err(bad()) }
}

fn until(text: &str) -> Result<Timestamp, String> {
    let example = || {
        let later = Timestamp::now().checked_add(SignedDuration::from_hours(2)).unwrap_or(Timestamp::MAX);
        format!("write a time that is to come, such as `{later:.0}`, or `--for 2h`")
    };
    let until: Timestamp = text.parse().map_err(|_| format!("it is no time: {}", example()))?;
    if until > Timestamp::now() { Ok(until) } else { Err(format!("that time is over: {}", example())) }
}

/// A subject for people.
fn words(subject: &Subject) -> String {
    match subject {
        Subject::Job(job) => format!("job {job}"),
        Subject::Node { unique_id, .. } => {
            let kind = ResourceType::of_unique_id(unique_id);
            let kind = if kind.is_check() { "check".to_owned() } else { kind.to_string() };
            format!("{kind} {}", short(unique_id))
        }
        Subject::Fresh { unique_id, .. } => match ResourceType::of_unique_id(unique_id) {
            ResourceType::Source => format!("source {}: not fresh", short(unique_id)),
            _ => format!("asset {}: late", short(unique_id)),
        },
    }
}

impl Alerts {
    /// Lists, or snoozes.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.verb {
            None => list(context, self.json),
            Some(AlertsVerb::Snooze { alert, span, until, off }) => {
                let until = match (until, span) {
                    _ if off => None,
                    (Some(until), _) => Some(until),
                    (None, Some(span)) => Some(Timestamp::now().checked_add(span).unwrap_or(Timestamp::MAX)),
                    (None, None) => None,
                };
                snooze(context, alert, until)
            }
        }
    }
}

fn list(context: &Context, json: bool) -> Result<Exit, Failure> {
    let catalogue = context.catalogue()?;
    catalogue.scan(false);
    for plugin in catalogue.in_folder() {
        if let Some((reason, _)) = plugin.refused {
            printer::warning(&format!("plugin `{}` is refused: {reason}", plugin.name));
        }
    }
    let destinations = context.config.destinations.keys().cloned().collect();
    engine::alerts_of(&catalogue, &destinations).1.iter().for_each(|problem| printer::warning(problem));
    let rows = alerts::list(&context.config, &catalogue, &context.reader()?, Timestamp::now())?;
    if json {
        printer::json(&rows)?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        printer::note("nobody is told of anything; add `[alerts.NAME]` to the configuration");
        return Ok(Exit::Done);
    }
    for row in rows {
        show(&row);
    }
    Ok(Exit::Done)
}

fn show(row: &AlertDetail) {
    let on: Vec<_> = row.on.iter().copied().map(NotificationKind::as_str).collect();
    let from = if row.of_plugin { " (of the plugins folder)" } else { "" };
    printer::line(format!(
        "{}{from}  {}",
        styled(printer::STRONG, &row.name),
        styled(
            FAINT,
            format!("{} by {} to {}", on.join(", "), plain(&row.notifier), row.destinations.join(", "))
        )
    ));
    if let (Some(until), Some(by)) = (row.snoozed_until, &row.snoozed_by) {
        let by = plain(by);
        printer::line(format!("  {} by {by} until {}", styled(ODD, "snoozed"), printer::time(until)));
    }
    if let (Some(fault), Some(notification), Some(at)) = (&row.fault, row.fault_notification, row.fault_at) {
        let (at, fault) = (printer::time(at), plain(fault));
        let what = format!("notification {notification} went out as a plain message at {at}: {fault}");
        printer::line(format!("  {} {what}", styled(BAD, "notifier")));
    }
    for incident in &row.incidents {
        let told = if incident.told_at.is_some() { "" } else { ", not told" };
        printer::line(format!(
            "  {} since {}: run {} of {}; {} failing of {}{told}",
            styled(BAD, "incident"),
            printer::time(incident.since),
            incident.run,
            plain(&incident.job),
            incident.failing,
            incident.members,
        ));
    }
    for failing in row.failing.iter().take(20) {
        let told = if failing.told { "" } else { ", not told" };
        let subject = plain(&words(&failing.subject));
        printer::line(format!(
            "  {} since {}: {subject}{told}",
            styled(BAD, "failing"),
            printer::time(failing.since)
        ));
    }
    if row.failing.len() > 20 {
        printer::line(styled(FAINT, format!("  … and {} more", row.failing.len() - 20)));
    }
}

fn snooze(context: &Context, alert: String, until: Option<Timestamp>) -> Result<Exit, Failure> {
    match join(context.config.clone(), Role::Chore)? {
        Handle::Client(client) => client.snooze(&alert, until)?,
        Handle::Host(host) => {
            let done = host.front().snooze(alert.clone(), until, user());
            host.leave(done)?;
        }
    }
    printer::note(match until {
        Some(until) => format!("nothing is told of the alert `{alert}` until {}", printer::time(until)),
        None => format!("the alert `{alert}` is told of again"),
    });
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_failing_is_called_as_people_call_it() {
        let said = |text: &str| words(&text.parse().unwrap());
        assert_eq!(said("job:flag"), "job flag");
        assert_eq!(said("node:shop:test.shop.not_null_a.0123456789"), "check not_null_a");
        assert_eq!(said("node:shop:model.shop.att"), "model att");
        assert_eq!(said("fresh:shop:model.shop.att"), "asset att: late");
        assert_eq!(said("fresh:shop:source.shop.raw.rows"), "source raw.rows: not fresh");
    }

    #[test]
    fn a_time_to_be_silent_until_is_one_that_is_to_come() {
        assert!(until("2020-01-01T00:00:00Z").unwrap_err().starts_with("that time is over: write a time"));
        assert!(
            until("yesterday")
                .unwrap_err()
                .starts_with("it is no time: write a time that is to come, such as `2")
        );
        assert!(until("9000-01-01T00:00:00Z").is_ok());
    }
}
