//! The trail: every change is on it, with who asked and by which way; and it is read in pages.

use serde_json::Value;

use crate::house::House;

fn trail(house: &House, query: &str) -> Vec<Value> {
    let page = house.get(&format!("/api/v1/audit?limit=100{query}"), &[]).is(200).json();
    page["items"].as_array().unwrap().clone()
}

fn words(rows: &[Value]) -> Vec<String> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("-").to_owned();
    rows.iter().map(|row| ["via", "action", "object"].map(|key| text(row, key)).join(" ")).collect()
}

#[test]
fn every_change_is_on_the_trail() {
    let mut house = House::new();
    let token = house.token("ana", "operate");
    let bearer = format!("Bearer {token}");
    house.post("/api/v1/session", &[], &format!("{{\"token\": \"{token}\"}}")).is(200);
    // A run that nobody can start is asked for all the same.
    let (_, run, said) = house.run(&["run", "night", "--detach"]);
    assert_eq!(run.trim(), "1", "{said}");
    house.run(&["runs", "cancel", "1"]);
    assert_eq!(house.run(&["schedules", "pause", "night"]).0, Some(0));
    assert_eq!(house.run(&["schedules", "resume", "night"]).0, Some(0));
    house.configure("# broken\n[web]\nlisten = 5\n");
    house.post("/api/v1/configuration/reload", &[("Authorization", &bearer)], "").refused_as(409);
    house.configure("[queue]\nmax_runs = 3\n");
    house.until("the change", || trail(&house, "&action=configuration.reload").len() == 1);
    house.run(&["token", "rotate", "ana"]);
    house.run(&["token", "revoke", "ana"]);
    let rows = trail(&house, "");
    let words = words(&rows);
    let expected = [
        "cli token.new token:ana",
        "ui session.begin host",
        "cli run.launch run:1",
        "cli job.pause job:night",
        "cli job.resume job:night",
        "cli token.rotate token:ana",
        "cli token.revoke token:ana",
    ];
    for expected in expected {
        assert_eq!(words.iter().filter(|word| *word == expected).count(), 1, "{expected}: {words:#?}");
    }
    let refused =
        rows.iter().find(|row| row["action"] == "configuration.refused" && row["via"] == "api").unwrap();
    assert_eq!(refused["user"], "ana");
    let reload = rows.iter().find(|row| row["action"] == "configuration.reload").unwrap();
    assert!(reload["detail"]["changes"][0].as_str().unwrap().contains("max_runs"), "{reload}");
    let me = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().map(|user| user.name);
    let launch = rows.iter().find(|row| row["action"] == "run.launch").unwrap();
    assert_eq!(launch["user"].as_str().map(str::to_owned), me);
    assert_eq!(launch["detail"]["steps"][0]["args"], serde_json::json!(["build"]));
    // The next host finds the trail, and that another took over.
    house.serve();
    let after = self::words(&trail(&house, ""));
    assert!(after[0].ends_with("host.hand_over host"), "{after:?}");
    let (code, shown, _) = house.run(&["audit", "-n", "3"]);
    assert_eq!(code, Some(0));
    assert!(shown.contains("host.hand_over") && shown.lines().count() == 4, "{shown}");
}

#[test]
fn a_test_of_a_destination_by_the_command_line_is_on_the_trail() {
    let mut house = House::with("[destinations.notes.file]\npath = \"notes.jsonl\"\n", "127.0.0.1:0");
    let (code, _, said) = house.run(&["notify", "test", "notes"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("delivered to `notes` (file)"), "{said}");
    let written = || std::fs::read_to_string(house.dir.path().join("notes.jsonl")).unwrap();
    assert!(written().contains("notify test"), "{}", written());
    let rows = trail(&house, "&action=destination.test");
    assert_eq!(words(&rows), ["cli destination.test destination:notes"]);
    let me = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().map(|user| user.name);
    assert_eq!(rows[0]["user"].as_str().map(str::to_owned), me);

    // What is not there is refused as it is without a host.
    let (code, _, said) = house.run(&["notify", "test", "note"]);
    assert!(code == Some(2) && said.contains("did you mean `notes`?"), "{said}");
    let (code, _, said) = house.run(&["notify", "test", "notes", "--notifier", "./none.wasm"]);
    assert!(code == Some(2) && said.contains("none.wasm"), "{said}");
    assert_eq!(trail(&house, "&action=destination.test").len(), 1);
    // What does not arrive says so, and is on the trail too.
    std::fs::remove_file(house.dir.path().join("notes.jsonl")).unwrap();
    std::fs::create_dir(house.dir.path().join("notes.jsonl")).unwrap();
    let (code, _, said) = house.run(&["notify", "test", "notes"]);
    assert!(code == Some(1) && said.contains("the host would"), "{said}");
    assert!(trail(&house, "&action=destination.test")[0]["detail"]["error"].is_string());

    // Without a host it is sent all the same.
    std::fs::remove_dir(house.dir.path().join("notes.jsonl")).unwrap();
    house.stop();
    let (code, _, said) = house.run(&["notify", "test", "notes"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(std::fs::read_to_string(house.dir.path().join("notes.jsonl")).unwrap().lines().count(), 1);
}

#[test]
fn the_trail_is_read_in_pages_and_by_who_and_what() {
    let house = House::new();
    for n in 0..7 {
        house.token(&format!("t{n}"), "read");
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = house.get(&format!("/api/v1/audit?limit=3{cursor}"), &[]).is(200).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|row| row["object"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<_> = (0..7).rev().map(|n| format!("token:t{n}")).collect();
    assert_eq!(seen, expected);
    assert!(trail(&house, "&user=nobody").is_empty() && trail(&house, "&action=nothing").is_empty());
    assert_eq!(trail(&house, "&action=token.new").len(), 7);
}
