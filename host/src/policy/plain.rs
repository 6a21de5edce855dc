//! What is sent where a notifier fails: who is to be told is told, if not in the notifier's words.

use crate::model::{DeliveryRequest, DestinationName, Notification};

/// What is sent where a notifier fails: the notification as JSON to addresses, with all of its text
/// in `text`, and as text to people.
pub fn plain_requests(destinations: &[DestinationName], notification: &Notification) -> Vec<DeliveryRequest> {
    let request = |to: &DestinationName| {
        let (headers, body) = match to.kind.as_str() {
            "http" => {
                // Chats show what they find in `text`, and nothing where that is not there.
                let said = quiet(text(notification).trim_end());
                let json = serde_json::to_vec(&Notification { text: Some(said), ..notification.clone() });
                (vec![("Content-Type".to_owned(), "application/json".to_owned())], json.unwrap_or_default())
            }
            "smtp" => {
                let headers = [
                    ("Subject", plain(&notification.title)),
                    ("Content-Type", "text/plain; charset=utf-8".to_owned()),
                ];
                (
                    headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
                    text(notification).into_bytes(),
                )
            }
            _ => (Vec::new(), text(notification).into_bytes()),
        };
        let method = if to.kind == "http" { "POST" } else { "" };
        DeliveryRequest {
            destination: to.name.clone(),
            method: method.to_owned(),
            path: String::new(),
            headers,
            body,
        }
    };
    destinations.iter().map(request).collect()
}

/// A notification as text.
fn text(notification: &Notification) -> String {
    let mut lines = vec![notification.title.clone()];
    lines.extend(notification.text.clone());
    for node in notification.nodes.iter().take(20) {
        let why = node.message.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        lines.push(format!("{} {}{why}", node.state, node.name));
    }
    let more = usize::try_from(notification.nodes_total).unwrap_or(usize::MAX).saturating_sub(20);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.extend(notification.link.clone());
    let mut text = lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// A text on one line.
fn plain(text: &str) -> String {
    text.split(|c: char| c.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A text that mentions nobody in a chat, whatever is quoted in it.
fn quiet(text: &str) -> String {
    text.replace("<!", "< !").replace("<@", "< @")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::NotificationKind;

    #[test]
    fn addresses_get_json_with_a_text_and_people_get_the_text() {
        let notification = Notification {
            id: "1".to_owned(),
            kind: NotificationKind::RunFailed,
            at: Timestamp::UNIX_EPOCH,
            title: "build failed: <!channel>".to_owned(),
            text: None,
            alert: "ops".to_owned(),
            project: None,
            job: None,
            run: None,
            nodes: Vec::new(),
            nodes_total: 0,
            skipped: Vec::new(),
            skipped_total: 0,
            owners: Vec::new(),
            link: Some("https://t.example/runs/1".to_owned()),
        };
        let to = [("a", "http"), ("b", "smtp"), ("c", "file")];
        let to = to.map(|(name, kind)| DestinationName { name: name.to_owned(), kind: kind.to_owned() });
        let requests = plain_requests(&to, &notification);
        let json: Notification = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!(json.text.as_deref(), Some("build failed: < !channel>\nhttps://t.example/runs/1"));
        assert_eq!(Notification { text: None, ..json }, notification);
        assert_eq!(requests[1].headers[0], ("Subject".to_owned(), notification.title.clone()));
        let text = String::from_utf8(requests[2].body.clone()).unwrap();
        assert_eq!(text, "build failed: <!channel>\nhttps://t.example/runs/1\n");
        assert_eq!(plain("a\r\nBcc: b"), "a Bcc: b");
    }
}
