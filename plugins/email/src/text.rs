//! A mail as plain text.

use crate::Mail;

/// The text.
pub fn of(mail: &Mail<'_>) -> String {
    let mut lines = vec![format!("{} {}", mail.sign, mail.title), String::new()];
    if let Some(text) = &mail.text {
        lines.extend([text.clone(), String::new()]);
    }
    for fact in &mail.facts {
        lines.push(format!("{}: {}", fact.label, fact.value));
    }
    if let Some(owners) = &mail.owners {
        lines.push(format!("Owners: {owners}"));
    }
    if let Some(link) = mail.link {
        lines.extend([String::new(), link.to_owned()]);
    }
    for node in &mail.nodes {
        lines.extend([String::new(), format!("* {}: {}", node.label, node.ending)]);
        if let Some(path) = &node.path {
            lines.push(format!("  {path}"));
        }
        if let Some(owners) = &node.owners {
            lines.push(format!("  owned by {owners}"));
        }
        lines.extend(
            node.message.iter().flat_map(|message| message.lines()).map(|line| format!("    {line}")),
        );
        if let Some(query) = &node.query {
            lines.push("  The rows:".to_owned());
            lines.extend(query.lines().map(|line| format!("    {line}")));
        }
        if let Some(link) = node.link {
            lines.push(format!("  {link}"));
        }
    }
    if mail.nodes_left > 0 {
        lines.extend([String::new(), format!("… {} more", mail.nodes_left)]);
    }
    if let Some(skipped) = &mail.skipped {
        lines.extend([String::new(), skipped.clone()]);
    }
    if !mail.attempts.is_empty() {
        lines.extend([String::new(), "Attempts:".to_owned()]);
        lines.extend(mail.attempts.iter().map(|attempt| format!("* {attempt}")));
    }
    lines.extend([String::new(), "-- ".to_owned(), mail.footer.clone(), String::new()]);
    lines.join("\n")
}
