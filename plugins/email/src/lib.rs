//! A notifier for people with a mailbox: mails in text and in HTML, which say the same.
//!
//! Owns the two forms of a mail's content and how they are put into one. Never says who gets it: sender and recipients are
//! the destination's.

mod html;
mod mime;
mod text;

use serde::Deserialize;
use tidegate_plugin::notifier::{Destination, Node, Notification, Notifier, Request, export_notifier};
use wording::Fact;

struct Email;

/// What the operator can set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// What subjects begin with.
    subject_prefix: String,
    /// How many nodes are shown.
    max_nodes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { subject_prefix: "[Tidegate]".to_owned(), max_nodes: 50 }
    }
}

impl Notifier for Email {
    type Config = Config;
    const SUMMARY: &'static str = "Sends mails in text and HTML.";

    fn render(config: &Config, to: &[Destination], about: &Notification) -> Result<Vec<Request>, String> {
        let to: Vec<_> = to.iter().filter(|destination| destination.is_smtp()).collect();
        if to.is_empty() {
            return Err("none of the destinations is `smtp`, and a mail goes nowhere else".to_owned());
        }
        let mail = Mail::of(config, about);
        let subject = wording::line(&format!("{} {}", config.subject_prefix, mail.title), 200);
        let content = mime::alternatives(&text::of(&mail), &html::of(&mail));
        let request = |destination: &Destination| {
            Request::mail(destination, &subject)
                .header("Content-Type", mime::CONTENT_TYPE)
                .body(content.as_str())
        };
        Ok(to.into_iter().map(request).collect())
    }

    fn check(config: &Config) -> Result<(), String> {
        if !(1..=1000).contains(&config.max_nodes) {
            return Err(format!("`max_nodes` is {}: between 1 and 1000 fit", config.max_nodes));
        }
        if config.subject_prefix.chars().count() > 50 || config.subject_prefix.chars().any(char::is_control) {
            return Err("`subject_prefix` is not one short line".to_owned());
        }
        Ok(())
    }
}

export_notifier!(Email);

/// The room for all nodes, in bytes: a mail of many megabytes is one that servers refuse.
const ROOM: usize = 150_000;

/// What a mail says, whatever its form.
struct Mail<'a> {
    sign: &'static str,
    title: String,
    text: Option<String>,
    facts: Vec<Fact>,
    nodes: Vec<Told<'a>>,
    nodes_left: usize,
    skipped: Option<String>,
    attempts: Vec<String>,
    owners: Option<String>,
    link: Option<&'a str>,
    footer: String,
}

/// A node in words.
struct Told<'a> {
    label: String,
    ending: String,
    owners: Option<String>,
    path: Option<String>,
    message: Option<String>,
    query: Option<String>,
    link: Option<&'a str>,
}

impl<'a> Mail<'a> {
    fn of(config: &Config, about: &'a Notification) -> Self {
        let mut room = ROOM;
        let mut nodes = Vec::new();
        for node in about.nodes.iter().take(config.max_nodes) {
            let told = Told::of(node);
            let Some(left) = room.checked_sub(told.length()) else { break };
            room = left;
            nodes.push(told);
        }
        let link = about.link.as_deref().or(about.run.as_ref().and_then(|run| run.link.as_deref()));
        Self {
            sign: wording::sign(about),
            title: wording::title(about, 150),
            text: paragraph(about.text.as_deref(), 4000),
            facts: wording::facts(about),
            nodes_left: wording::nodes_left(about, nodes.len()),
            nodes,
            skipped: wording::skipped(about, 50).map(|(heading, keys, rest)| {
                let colon = if keys.is_empty() { "" } else { ": " };
                format!("{heading}{colon}{}{rest}", keys.join(", "))
            }),
            attempts: wording::attempts(about.run.as_ref(), 20),
            owners: wording::owners(&about.owners),
            link: wording::page(link),
            footer: wording::line(
                &format!("Tidegate · alert {} · notification {}", about.alert, about.id),
                300,
            ),
        }
    }
}

impl<'a> Told<'a> {
    fn of(node: &'a Node) -> Self {
        let message = node.detail.as_deref().filter(|detail| !detail.trim().is_empty());
        Self {
            label: wording::line(node.label(), 200),
            ending: wording::ending(node),
            owners: wording::owners(&node.owners),
            path: node.path.as_deref().map(|path| wording::line(path, 300)),
            message: paragraph(message.or(node.message.as_deref()), 2000),
            query: paragraph(node.query.as_deref(), 2000),
            link: wording::page(node.link.as_deref()),
        }
    }

    fn length(&self) -> usize {
        let texts = [&self.owners, &self.path, &self.message, &self.query];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        self.label.len() + self.ending.len() + texts + self.link.map_or(0, str::len)
    }
}

/// Clean lines of at most so many characters; none where there is nothing to read.
fn paragraph(text: Option<&str>, most: usize) -> Option<String> {
    let text = wording::cut(wording::clean(text?).trim(), most);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
