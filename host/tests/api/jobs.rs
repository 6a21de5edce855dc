//! Jobs, plugins and alerts over HTTP.

use serde_json::{Value, json};

use crate::{
    client::Api,
    support::{Sandbox, text},
};

fn shop() -> Sandbox {
    let shop = Sandbox::models(&[("one", "select 1 as n")]);
    shop.append(
        "tidegate.toml",
        "schedule = \"0 6 * * *\"\ntime_zone = \"Europe/Berlin\"\nlate_after = \"2h\"\n\n\
         [jobs.noop]\nsteps = [\"dbt run-operation noop\"]\nafter = [{ job = \"build\" }]\n\
         [jobs.hand]\nsteps = [\"dbt run-operation noop\"]\n\
         [destinations.file.file]\npath = \"told.jsonl\"\n\
         [destinations.nowhere.http]\nurl = { env = \"NOT_SET\" }\n\
         [alerts.ops]\nnotifier = \"builtin:webhook\"\ndestinations = [\"file\"]\non = [\"run_succeeded\"]\n",
    );
    shop
}

fn pointers(rows: &[Value], at: &str) -> Vec<Value> {
    rows.iter().map(|row| row.pointer(at).unwrap().clone()).collect()
}

#[test]
fn jobs_plugins_and_alerts_are_shown_and_switched() {
    let shop = shop();
    let service = shop.serve(&[]);
    let api = Api::of(&service);
    let jobs = api.get("/jobs");
    assert_eq!(pointers(jobs.as_array().unwrap(), "/name"), ["build", "hand", "noop"]);
    let build = api.get("/jobs/build");
    assert_eq!(build, jobs[0]);
    assert_eq!(
        (&build["schedule"], &build["time_zone"], &build["steps"]),
        (&json!(["0 6 * * *"]), &json!("Europe/Berlin"), &json!(["dbt build"]))
    );
    assert_eq!(
        (&build["paused"], &build["limits"]["late_after"], &build["gate"]),
        (&Value::Null, &json!("PT2H"), &json!("block"))
    );
    assert_eq!(build["next"].as_array().unwrap().len(), 5);
    assert!(api.refused("/jobs/biuld", 404).contains("did you mean `build`?"));

    // The sixth hour in Berlin, on either side of the change of the clocks.
    let ticks = api.get("/jobs/build/preview?n=2&from=2027-03-27T00:00:00Z");
    assert_eq!(pointers(ticks.as_array().unwrap(), "/at"), ["2027-03-27T05:00:00Z", "2027-03-28T04:00:00Z"]);
    assert_eq!(ticks[1]["local"], "Sun 2027-03-28 06:00:00 +02:00");
    assert!(api.refused("/jobs/hand/preview", 409).contains("has no schedule"));
    assert!(api.refused("/jobs/build/preview?from=soon", 400).contains("query"));

    // Paused by whoever asks, as often as they ask, and not what nothing starts.
    for _ in 0..2 {
        let (status, paused) = api.ask("POST", "/jobs/build/pause", None);
        assert_eq!((status, &paused["next"]), (200, &json!([])), "{paused}");
        assert!(!text(&paused["paused"]["by"]).is_empty());
    }
    assert_eq!(api.get("/triggers")[0]["paused_by"], api.get("/jobs/build")["paused"]["by"]);
    assert_eq!(api.ask("POST", "/jobs/build/resume", None).1["paused"], Value::Null);
    assert_eq!(api.ask("POST", "/jobs/hand/pause", None).0, 409);
    assert_eq!(api.ask("POST", "/jobs/nothing/pause", None).0, 404);

    // A run of the one starts the other, which is a decision on record.
    shop.run(&["run", "build"]).code(0);
    shop.wait_for_ends("noop", 1);
    let ticks = api.all("/ticks", 1);
    assert_eq!((pointers(&ticks, "/job"), pointers(&ticks, "/run")), (vec![json!("noop")], vec![json!(2)]));
    assert_eq!(api.all("/jobs/noop/ticks", 9), ticks);
    assert_eq!(api.all("/jobs/build/ticks", 9), [Value::Null; 0]);
    let noop = api.get("/jobs/noop");
    assert_eq!((&noop["runs"][0]["via"], &noop["runs"][0]["state"]), (&json!("after"), &json!("succeeded")));
    assert_eq!(
        (&noop["triggers"][0]["trigger"], &noop["triggers"][0]["last"]["run"]),
        (&json!("after"), &json!(2))
    );
    let timeline = api.get("/timeline");
    assert_eq!(timeline["complete"], true);
    assert_eq!(
        (&timeline["jobs"][0]["runs"][0]["id"], timeline["jobs"][0]["ticks"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    assert_eq!(
        api.get("/timeline?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z")["jobs"][0]["runs"],
        json!([])
    );
    assert!(
        api.refused("/timeline?from=2027-01-02T00:00:00Z&to=2027-01-01T00:00:00Z", 400)
            .contains("before it begins")
    );

    // What was told of that, by whom, and where it went.
    shop.wait_for("the deliveries", || {
        let rows = api.all("/deliveries", 1);
        rows.len() == 2 && rows.iter().all(|row| row["state"] == "delivered")
    });
    assert_eq!(pointers(&api.all("/notifications", 1), "/run"), [2, 1]);
    let alert = &api.get("/alerts")[0];
    assert_eq!(
        (&alert["name"], &alert["on"], &alert["failing"]),
        (&json!("ops"), &json!(["run_succeeded"]), &json!([]))
    );
    let snooze = |until: &str| api.ask("POST", "/alerts/ops/snooze", Some(json!({ "until": until })));
    assert_eq!(snooze("9000-01-01T00:00:00Z").1["snoozed_until"], "9000-01-01T00:00:00Z");
    assert_eq!(snooze("2020-01-01T00:00:00Z").0, 400);
    assert_eq!(snooze("soon").0, 422);
    let (status, alert) = api.ask("POST", "/alerts/ops/snooze", Some(json!({ "until": null })));
    assert_eq!((status, &alert["snoozed_until"]), (200, &Value::Null));
    assert_eq!(api.ask("POST", "/alerts/opps/snooze", Some(json!({ "until": null }))).0, 404);

    let webhook = api.get("/plugins/builtin:webhook");
    assert_eq!(
        (&webhook["kind"], &webhook["used_by"], &webhook["state"]),
        (&json!("notifier"), &json!(["alert ops"]), &json!("ready"))
    );
    assert_eq!((&webhook["report"]["sha256"], &webhook["faults"]), (&webhook["digest"], &json!(0)));
    assert!(webhook["report"]["limits"]["memory"].as_u64() > Some(1 << 20));
    let calls = api.all("/plugins/builtin:webhook/calls", 1);
    assert_eq!(pointers(&calls, "/gist"), ["1 request to file", "1 request to file"]);
    let call = api.get(&format!("/plugins/builtin:webhook/calls/{}", calls[0]["id"]));
    assert_eq!((&call["subject"], &call["answer"][0]["destination"]), (&calls[0]["subject"], &json!("file")));
    // No other file is looked at, and no other plugin's call shown.
    let path = shop.file("dbt_project.yml").display().to_string().replace('/', "%2F");
    api.refused(&format!("/plugins/{path}"), 404);
    api.refused(&format!("/plugins/builtin:slack/calls/{}", calls[0]["id"]), 404);
    let names = pointers(api.get("/plugins").as_array().unwrap(), "/name");
    assert!(names.contains(&json!("builtin:slack")) && names.len() == 6, "{names:?}");

    let destinations = api.get("/destinations");
    assert_eq!((&destinations[0]["kind"], &destinations[0]["unusable"]), (&json!("file"), &json!([])));
    assert_eq!(destinations[1]["unusable"][0]["key"], "url");
    let test = |name: &str, body: Value| api.ask("POST", &format!("/destinations/{name}/test"), Some(body));
    let lines = || shop.read("told.jsonl").lines().count();
    let before = lines();
    for body in [json!({}), json!({ "notifier": "builtin:webhook" })] {
        let (status, tested) = test("file", body);
        assert_eq!(
            (status, &tested["delivered"], &tested["error"]),
            (200, &json!(true), &Value::Null),
            "{tested}"
        );
    }
    assert_eq!(lines(), before + 2);
    let (status, tested) = test("nowhere", json!({}));
    assert_eq!((status, &tested["delivered"]), (200, &json!(false)));
    assert!(text(&tested["error"]).contains("NOT_SET"), "{tested}");
    assert_eq!(test("file", json!({ "notifier": "/etc/passwd" })).0, 400);
    assert_eq!(test("fiel", json!({})).0, 404);
    // What was sent, and what could not be, is on the trail; what was refused is not.
    let trail = api.all("/audit?action=destination.test", 10);
    let errors: Vec<_> = trail.iter().map(|row| row["detail"]["error"].is_null()).collect();
    assert_eq!(errors, [false, true, true], "{trail:?}");
    assert_eq!(
        pointers(&trail, "/object"),
        [json!("destination:nowhere"), json!("destination:file"), json!("destination:file")]
    );
    assert_eq!(
        (&trail[1]["detail"]["notifier"], &trail[1]["via"]),
        (&json!("builtin:webhook"), &json!("api"))
    );
}
