//! Messages against Block Kit's own rules, which are written down here apart from the renderer.

use super::*;
use proptest::prelude::*;
use serde_json::Value;
use tidegate_plugin::notifier::{Attempt, Node};
use tidegate_plugin::testing::{destination, notification, notified_node, render};

/// What is wrong with a message by the rules of Block Kit's reference.
fn mistakes(message: &Value) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            mistakes.push(what);
        }
    };
    let chars = |value: &Value| value.as_str().map_or(0, |text| text.encode_utf16().count());
    let fallback = &message["text"];
    must((1..=4000).contains(&chars(fallback)), format!("fallback of {}", chars(fallback)));
    let empty = Vec::new();
    let blocks = message["blocks"].as_array().unwrap_or(&empty);
    must((1..=50).contains(&blocks.len()), format!("{} blocks", blocks.len()));

    let mut texts: Vec<(&Value, usize, &str)> = Vec::new();
    for block in blocks {
        match block["type"].as_str().unwrap_or_default() {
            "header" => {
                must(block["text"]["type"] == "plain_text", "a header in mrkdwn".to_owned());
                texts.push((&block["text"], 150, "header"));
            }
            "section" => {
                let fields = block["fields"].as_array();
                must(fields.is_some() || block.get("text").is_some(), "an empty section".to_owned());
                if let Some(fields) = fields {
                    must((1..=10).contains(&fields.len()), format!("{} fields", fields.len()));
                    texts.extend(fields.iter().map(|field| (field, 2000, "field")));
                }
                if let Some(text) = block.get("text") {
                    texts.push((text, 3000, "section"));
                }
            }
            "context" => {
                let elements = block["elements"].as_array().unwrap_or(&empty);
                must((1..=10).contains(&elements.len()), format!("{} elements", elements.len()));
                texts.extend(elements.iter().map(|element| (element, 3000, "context")));
            }
            "actions" => {
                let elements = block["elements"].as_array().unwrap_or(&empty);
                must((1..=25).contains(&elements.len()), format!("{} buttons", elements.len()));
                for button in elements {
                    must(button["type"] == "button", "no button".to_owned());
                    must(button["text"]["type"] == "plain_text", "a button in mrkdwn".to_owned());
                    must((1..=3000).contains(&chars(&button["url"])), "a button's address".to_owned());
                    must((1..=255).contains(&chars(&button["action_id"])), "a button's id".to_owned());
                    texts.push((&button["text"], 75, "button"));
                }
            }
            other => must(false, format!("a block `{other}`")),
        }
    }
    let mut whole = 0;
    for (text, most, place) in texts {
        let length = chars(&text["text"]);
        whole += length;
        must((1..=most).contains(&length), format!("{place} of {length}"));
        must(!text["text"].as_str().unwrap_or_default().trim().is_empty(), format!("{place} of blanks"));
        match text["type"].as_str() {
            Some("plain_text") => must(text.get("verbatim").is_none(), "plain and verbatim".to_owned()),
            Some("mrkdwn") => must(
                text["verbatim"] == true && text.get("emoji").is_none(),
                format!("{place}: not verbatim"),
            ),
            _ => must(false, format!("{place} of no type")),
        }
    }
    must(whole <= 13_000, format!("{whole} characters in all"));
    mistakes
}

/// What Slack would read in a text as a link, a mention or an entity: all that stands between `<` and `>`.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let inner = &rest[start + 1..];
        let end = inner.find('>').expect("what begins must end");
        commands.push(inner[..end].to_owned());
        rest = &inner[end + 1..];
    }
    assert!(!rest.contains('>'), "a stray `>` in {text}");
    for (at, _) in text.match_indices('&') {
        assert!(
            ["&amp;", "&lt;", "&gt;"].iter().any(|entity| text[at..].starts_with(entity)),
            "an entity in {text}"
        );
    }
    commands
}

fn mrkdwn_texts<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            if map.get("type").is_some_and(|kind| kind == "mrkdwn") {
                texts.extend(map["text"].as_str());
            }
            map.values().for_each(|value| mrkdwn_texts(value, texts));
        }
        Value::Array(list) => list.iter().for_each(|value| mrkdwn_texts(value, texts)),
        _ => {}
    }
}

fn message(config: Value, about: &Notification) -> Value {
    let requests = render::<Slack>(config, &[destination("ops", "http")], about).unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].destination.as_str(), requests[0].method.as_str()), ("ops", "POST"));
    serde_json::from_slice(&requests[0].body).unwrap()
}

fn about_nodes(count: usize, text: &str) -> Notification {
    let mut about = notification("run_failed", "build failed: 1 model failed");
    about.nodes = (0..count.min(1000)).map(|n| node(&format!("m{n}"), text)).collect();
    about.nodes_total = count as u32;
    about.skipped = (0..count.min(1000)).map(|n| format!("marts/s{n}")).collect();
    about.skipped_total = count as u32;
    about
}

fn node(name: &str, text: &str) -> Node {
    let mut node = notified_node("model", name, text);
    node.query = Some(format!("select * from t -- {text}"));
    node.owners = vec!["team:data".to_owned()];
    node.link = Some("https://tidegate.example.com/assets/x?a=1&b=2".to_owned());
    node
}

#[test]
fn a_message_says_what_one_needs_to_know() {
    let mut about = about_nodes(1, "Binder Error: no column \"nope\"");
    about.owners = vec!["team:data".to_owned()];
    about.run.as_mut().unwrap().attempts = vec![Attempt {
        step: 1,
        attempt: 1,
        command: "dbt build".to_owned(),
        state: "failed".to_owned(),
        reason: None,
        decision: Some("given up: `m0` would fail again".to_owned()),
        took: Some(60_000),
    }];
    let message = message(json!({"mention": {"team:data": "<!subteam^S0123>", "*": "<@U0456>"}}), &about);
    assert_eq!(mistakes(&message), Vec::<String>::new());
    let blocks = message["blocks"].as_array().unwrap();
    let texts: Vec<_> =
        blocks.iter().map(|block| block["text"]["text"].as_str().unwrap_or_default()).collect();
    assert_eq!(texts[0], "🔴 build failed: 1 model failed");
    assert_eq!(
        blocks[1]["fields"][2]["text"],
        "*Run*\n<http://127.0.0.1:4600/runs/12|12, asked for by tidegate (schedule)>"
    );
    assert_eq!(
        texts[2],
        "*<https://tidegate.example.com/assets/x?a=1&amp;b=2|m0>* · model, error after 1.5 s · team:data\n\
         ```\nBinder Error: no column \"nope\"\n```\nThe rows:\n```\nselect * from t -- Binder Error: no column \"nope\"\n```"
    );
    assert_eq!(texts[3], "*1 asset was skipped*: `marts/s0`");
    assert_eq!(
        texts[4],
        "*Attempts*\n• step 1, attempt 1: failed after 60 s → given up: `m0` would fail again"
    );
    assert_eq!(texts[5], "*Owners*: team:data <!subteam^S0123> <@U0456>");
    assert_eq!(blocks[6]["elements"][0]["url"], "http://127.0.0.1:4600/runs/12");
    assert_eq!(blocks[7]["elements"][0]["text"], "Tidegate · alert ops · 481");
    assert_eq!(message["text"], "🔴 build failed: 1 model failed");
}

#[test]
fn messages_are_valid_for_one_node_and_for_thousands() {
    for count in [0, 1, 11, 5000] {
        for text in ["", "boom", &"&<>`".repeat(3000), &"😀".repeat(5000), &"a\n".repeat(3000)] {
            for max_nodes in [10, 30] {
                let message = message(json!({"max_nodes": max_nodes}), &about_nodes(count, text));
                assert_eq!(mistakes(&message), Vec::<String>::new(), "{count} nodes of {text:.10}");
            }
        }
    }
    let message = message(json!({}), &about_nodes(5000, "boom"));
    let text = message.to_string();
    assert!(text.contains("and 4990 more") && text.contains("5000 assets were skipped"), "{text}");
}

#[test]
fn good_news_wakes_nobody() {
    let mut about = notification("run_recovered", "build recovered");
    about.owners = vec!["team:data".to_owned()];
    let config = json!({"mention": {"*": "<!channel>"}});
    assert!(!message(config.clone(), &about).to_string().contains("<!channel>"));
    about.severity = "error".to_owned();
    assert!(message(config, &about).to_string().contains("<!channel>"));
}

#[test]
fn every_destination_of_the_web_gets_it_and_no_other() {
    let to = [destination("a", "http"), destination("b", "smtp"), destination("c", "http")];
    let about = notification("test", "a test");
    let requests = render::<Slack>(json!({}), &to, &about).unwrap();
    let names: Vec<_> = requests.iter().map(|request| request.destination.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    let error = render::<Slack>(json!({}), &to[1..2], &about).unwrap_err();
    assert_eq!(error, "none of the destinations is `http`, and Slack takes nothing else");
}

#[test]
fn mistakes_in_the_configuration_are_told() {
    for (config, words) in [
        (json!({"max_nodes": 0}), "`max_nodes` is 0: between 1 and 30 fit"),
        (json!({"max_nodes": 31}), "`max_nodes` is 31"),
        (json!({"mention": {"team:data": "@data"}}), "`mention` of \"team:data\" is \"@data\": write <@U…>"),
        (json!({"channel": "#ops"}), "unknown field `channel`"),
    ] {
        let error = render::<Slack>(config, &[], &notification("test", "x")).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("<!channel>".to_owned()),
        Just("<http://evil.example|run>".to_owned()),
        Just("```".to_owned()),
        Just("`".to_owned()),
        Just("&lt;".to_owned()),
        Just("&".to_owned()),
        Just("@here".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("\0\u{1b}[31m".to_owned()),
        Just("\r\n".to_owned()),
        any::<String>(),
        "[a-z ]{0,2000}",
    ];
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_of_dbts_says_anything_to_slack(texts in prop::collection::vec(hostile(), 12), count in 0_usize..40) {
        let mut about = notification("run_failed", &texts[0]);
        about.text = Some(texts[1].clone());
        about.alert = texts[2].clone();
        about.owners = vec![texts[3].clone(); 15];
        about.project = Some(texts[4].clone());
        about.link = Some(texts[5].clone());
        about.skipped = vec![texts[6].clone(); 30];
        let mut node = notified_node(&texts[7], &texts[8], &texts[9]);
        node.query = Some(texts[10].clone());
        node.link = Some(texts[11].clone());
        node.state = texts[0].clone();
        node.owners = vec![texts[3].clone(); 3];
        about.nodes = vec![node; count];
        about.nodes_total = count as u32;
        let run = about.run.as_mut().unwrap();
        run.reason = Some(texts[8].clone());
        run.attempts = vec![Attempt { step: 1, attempt: 1, command: texts[7].clone(), state: texts[1].clone(),
            reason: Some(texts[2].clone()), decision: Some(texts[9].clone()), took: None }; 9];

        let message = message(json!({"mention": {"*": "<!here>"}, "max_nodes": 30}), &about);
        prop_assert_eq!(mistakes(&message), Vec::<String>::new());
        let mut mrkdwn = Vec::new();
        mrkdwn_texts(&message, &mut mrkdwn);
        for text in mrkdwn.into_iter().chain(message["text"].as_str()) {
            for command in commands(text) {
                prop_assert!(command == "!here" || command.starts_with("http://127.0.0.1:4600/runs/12|"), "{command}");
            }
            // Every fence is one of ours: it stands alone in its line, and they come in pairs.
            let fences = text.lines().filter(|line| *line == "```").count();
            prop_assert_eq!(fences, text.matches("```").count());
            prop_assert!(fences % 2 == 0);
        }
    }
}
