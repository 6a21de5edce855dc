//! A mail as HTML: styles stand in the elements, since mailers drop everything else, and nothing is loaded from anywhere.

use crate::{Mail, Told};

const CODE: &str =
    "background:#f4f4f5;padding:8px;margin:4px 0;white-space:pre-wrap;font-family:monospace;font-size:13px";

/// The document.
pub fn of(mail: &Mail<'_>) -> String {
    let mut body = format!("<h2 style=\"margin:0 0 12px\">{} {}</h2>\n", mail.sign, escaped(&mail.title));
    if let Some(text) = &mail.text {
        body.push_str(&format!("<p style=\"white-space:pre-wrap\">{}</p>\n", escaped(text)));
    }
    body.push_str("<table style=\"border-collapse:collapse\">\n");
    for fact in &mail.facts {
        let value = match wording::page(fact.link.as_deref()) {
            Some(page) => anchor(page, &fact.value),
            None => escaped(&fact.value),
        };
        body.push_str(&row(fact.label, &value));
    }
    if let Some(owners) = &mail.owners {
        body.push_str(&row("Owners", &escaped(owners)));
    }
    body.push_str("</table>\n");
    if let Some(link) = mail.link {
        body.push_str(&format!("<p>{}</p>\n", anchor(link, "Open in Tidegate")));
    }
    mail.nodes.iter().for_each(|node| body.push_str(&told(node)));
    if mail.nodes_left > 0 {
        body.push_str(&format!("<p>… {} more</p>\n", mail.nodes_left));
    }
    if let Some(skipped) = &mail.skipped {
        body.push_str(&format!("<p>{}</p>\n", escaped(skipped)));
    }
    if !mail.attempts.is_empty() {
        let items: Vec<_> =
            mail.attempts.iter().map(|attempt| format!("<li>{}</li>\n", escaped(attempt))).collect();
        body.push_str(&format!("<p>Attempts:</p>\n<ul>\n{}</ul>\n", items.concat()));
    }
    body.push_str(&format!("<p style=\"color:#71717a;font-size:12px\">{}</p>\n", escaped(&mail.footer)));
    format!(
        "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body style=\"font-family:sans-serif;font-size:14px\">\n{body}</body>\n</html>\n",
        escaped(&mail.title)
    )
}

fn row(label: &str, value: &str) -> String {
    format!("<tr><td style=\"padding:2px 16px 2px 0;color:#71717a\">{label}</td><td>{value}</td></tr>\n")
}

fn told(node: &Told<'_>) -> String {
    let label = match node.link {
        Some(link) => anchor(link, &node.label),
        None => escaped(&node.label),
    };
    let mut html = format!("<p style=\"margin:16px 0 0\"><b>{label}</b> · {}", escaped(&node.ending));
    for more in [&node.path, &node.owners].into_iter().flatten() {
        html.push_str(&format!(" · {}", escaped(more)));
    }
    html.push_str("</p>\n");
    if let Some(message) = &node.message {
        html.push_str(&format!("<pre style=\"{CODE}\">{}</pre>\n", escaped(message)));
    }
    if let Some(query) = &node.query {
        html.push_str(&format!(
            "<p style=\"margin:4px 0 0\">The rows:</p>\n<pre style=\"{CODE}\">{}</pre>\n",
            escaped(query)
        ));
    }
    html
}

/// A link. The address has been checked: it holds no quotes and is one of the web.
fn anchor(address: &str, text: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escaped(address), escaped(text))
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}
