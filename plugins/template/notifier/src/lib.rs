//! A notifier for Tidegate: it posts a line about what happened to a chat.

use serde::Deserialize;
use serde_json::json;
use tidegate_plugin::notifier::{Destination, Notification, Notifier, Request, export_notifier};

struct Chat;

/// What can be set in `tidegate.toml`. A setting that is not named here is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The room that it is posted to.
    room: String,
}

impl Notifier for Chat {
    type Config = Config;
    const SUMMARY: &'static str = "Posts a line about what happened to a chat.";

    fn render(
        config: &Config,
        to: &[Destination],
        about: &Notification,
    ) -> Result<Vec<Request>, String> {
        // Also there: about.kind, .severity, .job, .run, .nodes, .skipped, .owners, .link. Where your format gives a meaning to
        // some characters, escape them: texts come from dbt. JSON's own are escaped by `json`.
        let failed: Vec<_> = about
            .nodes
            .iter()
            .take(3)
            .map(|node| node.label())
            .collect();
        let mut text = about.title.clone();
        if !failed.is_empty() {
            text.push_str(&format!(
                " ({} of {}: {})",
                failed.len(),
                about.nodes_total,
                failed.join(", ")
            ));
        }
        let body = json!({"room": config.room, "text": text, "link": about.link});
        // A destination's address and its secrets are the operator's: only its name and kind are known here.
        let http = to.iter().filter(|destination| destination.is_http());
        Ok(http
            .map(|destination| Request::post(destination).path("/messages").json(&body))
            .collect())
    }
}

export_notifier!(Chat);

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_plugin::testing::{destination, notification, notified_node, render};

    #[test]
    fn a_line_says_what_failed() {
        let mut about = notification("run_failed", "build failed");
        about.nodes = vec![notified_node("model", "orders", "Binder Error")];
        about.nodes_total = 1;
        let to = [destination("chat", "http"), destination("mail", "smtp")];
        let requests = render::<Chat>(json!({"room": "data"}), &to, &about).unwrap();
        let body =
            json!({"room": "data", "text": "build failed (1 of 1: orders)", "link": about.link});
        assert_eq!(
            requests,
            [Request::post(&to[0]).path("/messages").json(&body)]
        );
    }
}
