//! The log of a run: no line is missing, whatever is in it and however it is read.

use serde_json::Value;

use crate::{
    listener::Api,
    support::{Sandbox, text},
};

/// What dbt says, and what a browser must not believe.
const HOSTILE: &str = r#"{{ log("<script>alert(1)</script> \"quoted\" \u202eevil\u2066 \x1b[31mred\x1b[0m", info=True) }}
{{ log("x" * 10000, info=True) }} {{ print("event: end\n\ndata: {}") }} select 1 as n"#;

/// A model that writes to standard output what is no event of dbt's.
const LOUD: &str = r#"
def model(dbt, session):
    print("<b>not json</b>\n\n{\"info\": 1}\ndata: x\r\n: comment", flush=True)
    return session.sql("select 1 as n")
"#;

/// All pages from the end to the beginning.
fn backward(api: &Api, query: &str) -> Vec<Value> {
    let (mut rows, mut cursor): (Vec<Value>, _) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/runs/1/log?tail=true&{query}{cursor}"));
        rows.splice(0..0, page["items"].as_array().unwrap().iter().cloned());
        match page["previous"].as_str() {
            Some(previous) => cursor = format!("&cursor={previous}"),
            None => return rows,
        }
    }
}

#[test]
fn no_line_is_missing_whatever_stands_in_it() {
    let shop = Sandbox::models(&[("hostile", HOSTILE)]);
    shop.write("models/loud.py", LOUD);
    let api = Api::of(&shop);
    shop.run(&["run", "build"]).code(0);
    let whole = api.text("/runs/1/log/raw");
    assert!(whole.contains("<b>not json</b>") && whole.contains("<script>"));
    let rows = api.all("/runs/1/log?raw=true&limit=7");
    let lines: Vec<_> = rows.iter().map(|row| text(&row["raw"])).collect();
    assert_eq!(lines, whole.strip_suffix('\n').unwrap().split('\n').collect::<Vec<_>>());
    let numbers: Vec<_> = rows.iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=rows.len() as u64).collect::<Vec<_>>());
    assert_eq!(backward(&api, "raw=true&limit=11"), rows);
    for row in &rows {
        let message = text(&row["message"]);
        assert!(!message.contains(['\u{1b}', '\u{202e}', '\u{2066}']), "{message}");
    }
    let page = api.get("/runs/1/log?limit=5000");
    assert_eq!((&page["next"], &page["complete"]), (&Value::Null, &Value::Bool(true)));
    assert_eq!(page["total_bytes"], whole.len());
    assert_eq!(page["scanned_bytes"], whole.len());

    let about = api.all("/runs/1/log?node=model.tiny.loud");
    assert!(!about.is_empty() && about.iter().all(|row| row["unique_id"] == "model.tiny.loud"));
    assert_eq!(backward(&api, "node=model.tiny.loud&limit=2"), about);
    let info = api.all("/runs/1/log?level=info");
    assert!(info.len() < rows.len() && info.iter().all(|row| row["level"] != "debug"));
    let found = api.all("/runs/1/log?q=%3CSCRIPT%3E&level=info");
    assert!(!found.is_empty() && found.iter().all(|row| text(&row["message"]).contains("<script>")));
    assert_eq!(api.all("/runs/1/log?step=2"), [Value::Null; 0]);
    assert_eq!(api.ask("/runs/1/log?cursor=nowhere").0, 400);
    assert_eq!(api.ask("/runs/1/log?level=loud").0, 400);
    assert_eq!(api.get("/runs/1/log?cursor=1.1.999999999999")["items"].as_array().unwrap().len(), 0);

    // What has ended comes at once, line by line the same; and on from anywhere.
    let mut stream = api.follow("/runs/1/log/live", None);
    let first = stream.next().unwrap();
    assert_eq!(first.event, "lines");
    let middle = &rows[rows.len() / 2];
    let cursor = format!("1.1.{}.{}", middle["offset"], middle["line"].as_u64().unwrap() - 1);
    let mut rest = api.follow("/runs/1/log/live?raw=true", Some(&cursor));
    let mut heard = Vec::new();
    rest.until("the end", |message| {
        heard.extend(message.data["items"].as_array().into_iter().flatten().cloned());
        message.event == "end"
    });
    assert_eq!(heard, rows[rows.len() / 2..]);
}

#[test]
fn a_log_is_heard_as_it_grows_over_lost_connections() {
    let shop = Sandbox::models(&[("first", "select 1 as n")]);
    shop.hold("models/held.py");
    shop.write("models/last.sql", "select n from {{ ref('held') }}");
    let api = Api::of(&shop);
    let client = shop.start(&["run", "build"]);
    shop.wait_for_node(1, "model.tiny.held", "running");
    let mut heard = Vec::new();
    let mut stream = api.follow("/runs/1/log/live?raw=true", None);
    stream.until("the held model", |message| {
        heard.extend(message.data["items"].as_array().into_iter().flatten().cloned());
        heard.iter().any(|row| row["unique_id"] == "model.tiny.held")
    });
    let last = stream.last_id.clone();
    drop(stream);
    let page = api.get("/runs/1/log?tail=true&limit=3");
    assert_eq!(page["complete"], false);
    assert!(page["next"].is_string());
    shop.release();
    let mut stream = api.follow("/runs/1/log/live?raw=true", Some(&last));
    stream.until("the end", |message| {
        heard.extend(message.data["items"].as_array().into_iter().flatten().cloned());
        message.event == "end"
    });
    assert_eq!(stream.next(), None, "it ends");
    shop.end(client).code(0);
    let whole = api.text("/runs/1/log/raw");
    let lines: Vec<_> = heard.iter().map(|row| text(&row["raw"])).collect();
    assert_eq!(lines, whole.strip_suffix('\n').unwrap().split('\n').collect::<Vec<_>>());
}
