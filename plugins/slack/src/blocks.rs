//! The blocks of a message, from the header down to the footer.
//!
//! Owns which fact stands where and how much room it has. The limits of Block Kit are kept by construction: each text is cut
//! to less than what fits, and nodes are left out where a message would get longer than Slack shows.

use super::Config;
use super::mrkdwn::{code, escaped, length, link, name};
use serde_json::{Value, json};
use tidegate_plugin::notifier::{Node, Notification};
use wording::{Fact, clean, line};

/// The longest header.
const HEADER: usize = 150;
/// The longest text of a section.
const SECTION: usize = 3000;
/// The room for all texts: Slack refuses messages whose blocks are too long together.
const WHOLE: usize = 12_500;

/// What a notification on a phone shows.
pub fn fallback(about: &Notification) -> String {
    let text = about.text.as_deref().map_or(String::new(), |text| format!(": {}", line(text, 300)));
    escaped(&format!("{} {}{text}", wording::sign(about), wording::title(about, 300)), 1000)
}

/// The blocks.
pub fn blocks(config: &Config, about: &Notification) -> Vec<Value> {
    let mut blocks = vec![header(about)];
    blocks.extend(fields(&wording::facts(about)));
    let text = about.text.as_deref().map(|text| wording::cut(clean(text).trim(), 1400));
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        blocks.push(json!({"type": "section", "text": plain(&text)}));
    }

    let mut after = Vec::new();
    if let Some((heading, keys, rest)) = wording::skipped(about, 10) {
        let keys: Vec<_> = keys.iter().map(|key| name(key, 150)).collect();
        let colon = if keys.is_empty() { "" } else { ": " };
        after.push(section(&format!("*{heading}*{colon}{}{rest}", keys.join(", "))));
    }
    let attempts = wording::attempts(about.run.as_ref(), 5);
    if !attempts.is_empty() {
        let lines: Vec<_> = attempts.iter().map(|attempt| format!("• {}", escaped(attempt, 400))).collect();
        after.push(section(&format!("*Attempts*\n{}", lines.join("\n"))));
    }
    after.extend(owners(config, about).map(|text| section(&text)));
    let page = about.link.as_deref().or(about.run.as_ref().and_then(|run| run.link.as_deref()));
    if let Some(page) = wording::page(page) {
        let text = plain(if about.run.is_some() { "Open the run" } else { "Open" });
        after.push(json!({
            "type": "actions",
            "elements": [{"type": "button", "text": text, "url": page, "action_id": "open"}],
        }));
    }
    after.push(context(&escaped(
        &line(&format!("Tidegate · alert {} · {}", about.alert, about.id), 200),
        300,
    )));

    let mut room = WHOLE.saturating_sub(blocks.iter().chain(&after).map(room_of).sum());
    let mut shown = 0;
    for node in about.nodes.iter().take(config.max_nodes) {
        let text = told(node);
        let Some(left) = room.checked_sub(length(&text)) else { break };
        room = left;
        shown += 1;
        blocks.push(section(&text));
    }
    let left = wording::nodes_left(about, shown);
    if left > 0 {
        let more = if shown == 0 { format!("{left} nodes") } else { format!("and {left} more") };
        blocks.push(context(&more));
    }
    blocks.append(&mut after);
    blocks
}

/// How much of the room a block takes.
fn room_of(block: &Value) -> usize {
    let texts = [&block["fields"], &block["elements"]].into_iter().filter_map(Value::as_array).flatten();
    let texts = texts.map(|part| part["text"].as_str().or_else(|| part["text"]["text"].as_str()));
    texts.chain([block["text"]["text"].as_str()]).flatten().map(length).sum()
}

fn header(about: &Notification) -> Value {
    let title = format!("{} {}", wording::sign(about), wording::title(about, HEADER));
    // Emoji count twice.
    let mut short = wording::cut(&title, HEADER);
    while length(&short) > HEADER {
        short = wording::cut(&short, short.chars().count() - 1);
    }
    json!({"type": "header", "text": plain(&short)})
}

/// A section holds at most ten fields.
fn fields(facts: &[Fact]) -> Option<Value> {
    let fields = facts.iter().take(10).map(|fact| {
        let value = match wording::page(fact.link.as_deref()) {
            Some(page) => link(page, &fact.value, 350),
            None => escaped(&fact.value, 350),
        };
        mrkdwn(&format!("*{}*\n{value}", fact.label))
    });
    let fields: Vec<_> = fields.collect();
    (!fields.is_empty()).then(|| json!({"type": "section", "fields": fields}))
}

/// A node: what it is, why it failed, how to see the rows.
fn told(node: &Node) -> String {
    let label = name(&line(node.label(), 200), 250);
    let mut text = match wording::page(node.link.as_deref()) {
        Some(page) => format!("*{}*", link(page, &line(node.label(), 200), 250)),
        None => format!("*{label}*"),
    };
    text.push_str(&format!(" · {}", escaped(&wording::ending(node), 250)));
    if let Some(owners) = wording::owners(&node.owners) {
        text.push_str(&format!(" · {}", escaped(&owners, 300)));
    }
    let message = node.message.as_deref().or(node.detail.as_deref()).map(clean).unwrap_or_default();
    if !message.trim().is_empty() {
        text.push_str(&format!("\n{}", code(wording::cut(message.trim(), 500).as_str(), 700)));
    }
    let query = node.query.as_deref().map(clean).unwrap_or_default();
    if !query.trim().is_empty() {
        text.push_str(&format!("\nThe rows:\n{}", code(&wording::cut(query.trim(), 500), 700)));
    }
    text
}

/// The owners, and whom the operator wants mentioned. Good news wakes nobody.
fn owners(config: &Config, about: &Notification) -> Option<String> {
    let mut mentions: Vec<&str> = Vec::new();
    if about.severity != "info" {
        let named = about.owners.iter().filter_map(|owner| config.mention.get(owner));
        for mention in named.chain(config.mention.get("*")) {
            if !mentions.contains(&mention.as_str()) && mentions.len() < 20 {
                mentions.push(mention);
            }
        }
    }
    let owners = wording::owners(&about.owners).map(|owners| format!("*Owners*: {}", escaped(&owners, 1000)));
    match (owners, mentions.join(" ")) {
        (None, mentions) if mentions.is_empty() => None,
        (None, mentions) => Some(mentions),
        (Some(owners), mentions) => Some(format!("{owners} {mentions}").trim_end().to_owned()),
    }
}

fn section(text: &str) -> Value {
    debug_assert!(length(text) <= SECTION);
    json!({"type": "section", "text": mrkdwn(text)})
}

fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [mrkdwn(text)]})
}

/// Verbatim: Slack makes no link or mention of what only looks like one.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": false})
}
