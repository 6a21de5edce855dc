//! A notifier for Slack: messages of Block Kit, for incoming webhooks and what understands the same.
//!
//! Owns the layout of a message. Never sends to anything but HTTP, and never lets a text of dbt's say anything to Slack: it
//! cannot mention, link or end a code block.

mod blocks;
mod mrkdwn;

use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use tidegate_plugin::notifier::{Destination, Notification, Notifier, Request, export_notifier};

struct Slack;

/// What the operator can set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Who is mentioned for an owner's nodes: from an owner, or `*` for anyone's, to Slack's words for it.
    mention: BTreeMap<String, String>,
    /// How many nodes are shown.
    max_nodes: usize,
}

/// A message has at most fifty blocks, and some are not about a node.
const MOST_NODES: usize = 30;

impl Default for Config {
    fn default() -> Self {
        Self { mention: BTreeMap::new(), max_nodes: 10 }
    }
}

impl Notifier for Slack {
    type Config = Config;
    const SUMMARY: &'static str = "Posts messages of Block Kit to Slack's incoming webhooks.";

    fn render(config: &Config, to: &[Destination], about: &Notification) -> Result<Vec<Request>, String> {
        let to: Vec<_> = to.iter().filter(|destination| destination.is_http()).collect();
        if to.is_empty() {
            return Err("none of the destinations is `http`, and Slack takes nothing else".to_owned());
        }
        let message = json!({
            "text": blocks::fallback(about),
            "blocks": blocks::blocks(config, about),
            "unfurl_links": false,
            "unfurl_media": false,
        });
        Ok(to.into_iter().map(|destination| Request::post(destination).json(&message)).collect())
    }

    fn check(config: &Config) -> Result<(), String> {
        if !(1..=MOST_NODES).contains(&config.max_nodes) {
            return Err(format!("`max_nodes` is {}: between 1 and {MOST_NODES} fit", config.max_nodes));
        }
        for (owner, words) in &config.mention {
            if !mrkdwn::is_mention(words) {
                return Err(format!(
                    "`mention` of \"{owner}\" is \"{words}\": write <@U…> for someone, <!subteam^S…> for a group, <#C…> \
                     for a channel, <!here> or <!channel>"
                ));
            }
        }
        Ok(())
    }
}

export_notifier!(Slack);

#[cfg(test)]
mod tests;
