//! Mistakes in files, and what is made of files without any.

use std::{fs, path::Path};

use proptest::prelude::*;

use super::*;
use crate::{
    config::schema,
    model::{RetryDecision, RetryScope},
};

/// What loading says of a file with these bytes.
fn said(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE_NAME);
    fs::write(&file, bytes).unwrap();
    match Config::load(&file, None) {
        Ok(config) => format!("fine: {} projects, {} jobs", config.projects.len(), config.jobs.len()),
        Err(e) => e.to_string().replace(&*dir.path().to_string_lossy(), ".").replace('\0', "NUL"),
    }
}

fn load(text: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE_NAME);
    fs::write(&file, text).unwrap();
    Config::load(&file, None).unwrap()
}

#[test]
fn every_mistake_has_its_sentence_and_its_line() {
    let project = "[projects.shop]\ndir = \".\"\n";
    let with = |rest: &str| format!("{project}{rest}");
    let cases = [
        ("an empty file", String::new()),
        ("only a comment", "# later\n".to_owned()),
        ("not TOML", "[projects.shop\ndir = 1".to_owned()),
        ("a text without its end", with("target = \"dev\n")),
        ("a key twice", with("dir = \"a\"\n")),
        ("a table twice", with("[projects.shop]\n")),
        (
            "unknown keys everywhere",
            "statedir = \"x\"\nprojets = 1\n[retention]\nday = 3\n[projects.shop]\ndirectory = \".\"\nprofile_dir = \"x\"\n\
             [projects.shop.translator]\nplugin = \"x\"\nconfigs = {}\n[jobs.build]\nstep = 1\nsteps = [\"dbt build\"]\n\
             cron = \"0 6 * * *\"\nVars = {}\n[webhooks]\nurl = 1\n"
                .to_owned(),
        ),
        (
            "wrong types everywhere",
            "state_dir = 3\nretention = \"long\"\n[projects]\nshop = \"dir\"\n[projects.b]\ndir = [\".\"]\nvars = \"a: 1\"\n\
             env = { A = 1, B = \"x\", C = true }\npass_env = \"HOME\"\ntranslator = \"builtin:x\"\n[jobs.a]\nsteps = \"dbt build\"\n\
             schedule = 6\nempty = \"maybe\"\n[jobs.b]\nsteps = [1, \"dbt build\", [\"dbt\"]]\nempty = 3\n\
             schedule = [\"@daily\", 2026-11-22]\n"
                .to_owned(),
        ),
        ("numbers out of range", with("[retention]\ndays = -1\nruns = 99999999999\n")),
        ("nothing would be kept", with("[retention]\ndays = 0\nruns = 0\n")),
        ("missing keys", with("[projects.shop.translator]\n[jobs.a]\n[jobs.b]\nproject = \"shop\"\n")),
        ("unknown keys beside other mistakes", with("dri = 1\n[jobs.a]\nsteps = [\"dbt biuld\"]\nschedule = \"daily\"\n")),
        ("unknown keys beside wrong types", with("dri = 1\n[jobs.a]\nsteps = 3\n")),
        (
            "words that are nearly right",
            with(
                "gate = \"blok\"\n[[projects.shop.freshness]]\nselect = \"x\"\nfresh_within = \"1d\"\nseverity = \"eror\"\n\
                 [alerts.a]\nnotifier = \"x\"\non = [\"run_faild\"]\ngroup_by = \"runn\"\n[destinations.a]\nstdout = { x = 1 }\n",
            ),
        ),
        (
            "retries that cannot be",
            with(
                "[retry]\nplugin = \"x\"\nmax_attempts = 0\n[jobs.a]\nretry = \"never\"\nsteps = [\"dbt build\"]\n\
                 [jobs.b]\nretry = { config = {}, onfault = \"give-up\" }\nsteps = [\"dbt build\"]\n\
                 [jobs.c.retry]\nplugin = \"x\"\non_fault = \"retry\"\n",
            ),
        ),
        (
            "retries that make no sense",
            with(
                "[retry]\nplugin = \"x\"\nconfig = { a = 1, b = { c = nan } }\n[jobs.a]\nsteps = [\"dbt build\"]\n\
                 [jobs.a.retry]\nplugin = \"x\"\non_fault = { after = \"soon\" }\n",
            ),
        ),
        ("no project", "[jobs.a]\nsteps = [\"dbt build\"]\n".to_owned()),
        ("an unknown project", with("[projects.zoo]\n[jobs.a]\nproject = \"shp\"\nsteps = [\"dbt build\"]\n[jobs.b]\nproject = \"warehouse\"\nsteps = [\"dbt run\"]\n")),
        ("several projects", with("[projects.zoo]\n[jobs.a]\nsteps = [\"dbt build\"]\n")),
        (
            "bad names",
            "[projects.\"a b\"]\n[projects.\"\"]\n[jobs.\"../x\"]\nproject = \"a b\"\nsteps = [\"dbt build\"]\n\
             [jobs.\".hidden\"]\nproject = \"a b\"\nsteps = [\"dbt build\"]\n[jobs.\"-x\"]\nproject = \"a b\"\nsteps = [\"dbt build\"]\n"
                .to_owned(),
        ),
        (
            "bad steps",
            with(
                "[jobs.a]\nsteps = []\n[jobs.b]\nsteps = [\"\", \"dbt\", \"dbt build --select 'x\", \"dbt build --log-level info\", \"dbt retry\",\n\
                 \"rm -rf x\", \"dbt --fail-fast build\", \"dbt source\", \"dbt build -xq\", \"dbt build --select \\u0000\"]\n",
            ),
        ),
        (
            "bad schedules",
            with("[jobs.a]\nsteps = [\"dbt build\"]\nschedule = [\"0 6 * *\", \"@daily\", \"0 0 31 2 *\", \"\"]\n"),
        ),
        (
            "bad triggers",
            with(
                "[locks]\nwarehouse = 2\n[jobs.a]\nsteps = [\"dbt build\"]\ntime_zone = \"Europe/Berlin\"\nafter = [{ job = \"a\" }, { job = \"bb\" }, { job = \"b\", on = [] }]\n\
                 sensors = [{}, { source = \"a.b.c\" }, { source = \"a\", files = \"b\" }, { files = \"[\" }, { source = \"x\" }, { source = \"x\" }]\n\
                 locks = [\"warehose\", \"other\"]\n\
                 [jobs.b]\nsteps = [\"dbt build\"]\nschedule = \"@daily\"\ntime_zone = \"Europe/Berln\"\nmin_interval = \"10m\"\nmax_runtime = \"soon\"\n\
                 queue_timeout = \"-5m\"\nsilence_timeout = \"0s\"\nstart_rate = { runs = 2, per = \"1 fortnight\" }\n",
            ),
        ),
        (
            "triggers of wrong types",
            with(
                "time_zone = 1\n[queue]\nmax_runs = 0\n[locks]\nnone = 0\n[jobs.a]\nsteps = [\"dbt build\"]\nmissed = \"all\"\noverlap = \"merge\"\n\
                 after = \"b\"\nsensors = [\"x\"]\nstart_rate = \"2/h\"\non_interruption = true\npriority = 1.5\n[jobs.b]\nsteps = [\"dbt build\"]\nmissed = { all = 0 }\n\
                 after = [{ job = \"a\", on = [\"done\"] }]\n",
            ),
        ),
        (
            "jobs in a circle",
            with(
                "[jobs.a]\nsteps = [\"dbt build\"]\nafter = [{ job = \"c\" }]\n[jobs.b]\nsteps = [\"dbt build\"]\nafter = [{ job = \"a\" }]\n\
                 [jobs.c]\nsteps = [\"dbt build\"]\nafter = [{ job = \"b\" }]\n[jobs.d]\nsteps = [\"dbt build\"]\nafter = [{ job = \"c\" }]\n",
            ),
        ),
        ("a time zone that is none", "time_zone = \"CEST\"\n[projects.shop]\n".to_owned()),
        (
            "bad variables",
            with(
                "vars = { rate = nan, fine = 1.5 }\nenv = { DBT_TARGET_PATH = \"t\", DBT_ENGINE_LOG_LEVEL = \"x\", DBT_PROFILES_DIR = \"p\", \
                 \"\" = \"x\", \"A=B\" = \"x\", C = \"\\u0000\", FINE = \"x\" }\n\
                 [projects.shop.translator]\nplugin = \"x\"\nconfig = { a = [inf] }\n\
                 [jobs.a]\nsteps = [\"dbt build\"]\nvars = { b = -inf }\n",
            ),
        ),
    ];
    let mut all: Vec<_> =
        cases.iter().map(|(name, text)| format!("# {name}\n{}", said(text.as_bytes()))).collect();
    all.push(format!("# not UTF-8\n{}", said(b"[projects.shop]\ndir = \".\"\ntarget = \"caf\xe9\"\n")));
    all.push(format!("# UTF-16\n{}", said(&[0xff, 0xfe, b'[', 0, b'p', 0])));
    all.push(format!("# a NUL\n{}", said(b"[projects.shop]\ndir = \"\0\"\n")));
    all.push(format!("# a mark at the beginning\n{}", said(format!("\u{feff}{project}").as_bytes())));
    all.push(format!("# a mark and a mistake\n{}", said(format!("\u{feff}{project}dri = 1").as_bytes())));
    all.push(format!("# line ends of Windows\n{}", said(with("dri = 1\n").replace('\n', "\r\n").as_bytes())));
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn places_without_a_file_have_their_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let said = |file: &Path| {
        let error = Config::load(file, None).unwrap_err().to_string();
        error.replace(&*dir.path().to_string_lossy(), "DIR")
    };
    assert_eq!(said(dir.path()), "DIR: cannot be read: it is a folder, not a file");
    assert_eq!(said(&dir.path().join("no.toml")), "DIR/no.toml: cannot be read: there is no such file");
    // A folder of that name is not what is looked for.
    fs::create_dir(dir.path().join(FILE_NAME)).unwrap();
    let below = dir.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    assert!(matches!(Config::find(&below), Err(ConfigError::NotFound(_)) | Ok(_)));
    fs::write(dir.path().join("a").join(FILE_NAME), "").unwrap();
    assert_eq!(Config::find(&below).unwrap(), dir.path().join("a").join(FILE_NAME));
}

#[test]
fn paths_are_relative_to_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("conf");
    fs::create_dir(&conf).unwrap();
    let file = conf.join(FILE_NAME);
    let text = "state_dir = \"./state\"\n[projects.shop]\ndir = \"../shop\"\ndbt = \"./venv/bin/dbt\"\nprofiles_dir = \"p\"\n\
                manifest = \"/srv/manifest.json\"\ntranslator = { plugin = \"./keys.wasm\" }\n\
                [projects.zoo]\ntranslator = { plugin = \"builtin:source-prefix\" }\n";
    fs::write(&file, text).unwrap();
    let config = Config::load(&file, None).unwrap();
    let (shop, zoo) = (&config.projects["shop"], &config.projects["zoo"]);
    assert_eq!(config.state_dir, conf.join("state"));
    assert_eq!(shop.dbt.dir, conf.join("../shop"));
    assert_eq!(shop.dbt.program, conf.join("venv/bin/dbt"));
    assert_eq!(shop.dbt.profiles_dir, Some(conf.join("p")));
    assert_eq!(shop.manifest.as_deref(), Some(Path::new("/srv/manifest.json")));
    assert_eq!(shop.translator.as_ref().unwrap().plugin, conf.join("keys.wasm").to_string_lossy());
    assert_eq!((&zoo.dbt.dir, zoo.dbt.program.as_path()), (&conf, Path::new("dbt")));
    assert_eq!(zoo.translator.as_ref().unwrap().plugin, "builtin:source-prefix");
    // What the environment says wins, and is relative to where one stands.
    assert_eq!(
        Config::load(&file, Some(Path::new("/srv/state"))).unwrap().state_dir,
        Path::new("/srv/state")
    );
}

#[test]
fn a_file_without_mistakes_is_understood() {
    let config = load(
        "time_zone = \"Asia/Tokyo\"\n[queue]\nmax_runs = 3\n[locks]\nwarehouse = 2\n[jobs.other]\nsteps = [\"dbt run\"]\n[projects.shop]\nvars = { a = 1, b = [true, 2026-11-22], c = { d = \"x\" } }\nenv = { SECRET = \"s\" }\n\
         [jobs.nightly]\ndescription = \"all\"\nschedule = [\"0 6 * * *\", \"@hourly\"]\ntarget = \"prod\"\nempty = \"fail\"\n\
         missed = { all = 3 }\noverlap = \"cancel-previous\"\nafter = [{ job = \"other\", on = [\"failed\"] }]\nmin_interval = \"10m\"\n\
         sensors = [{ source = \"raw.orders\" }, { files = \"/srv/*.csv\" }]\npriority = -3\nlocks = [\"warehouse\"]\nmax_runtime = \"1h 30m\"\n\
         start_rate = { runs = 2, per = \"2d\" }\non_interruption = \"leave\"\nsteps = [\"dbt seed\", \"build --select 'tag:a b' --vars '{x: 1}'  # all of it\"]\n",
    );
    let job = &config.jobs["nightly"];
    assert_eq!(job.project, "shop");
    assert_eq!(job.automated.expressions, ["0 6 * * *", "@hourly"]);
    assert_eq!(job.steps[0].args, ["seed"]);
    assert_eq!(job.steps[1].args, ["build", "--select", "tag:a b", "--vars", "{x: 1}"]);
    assert_eq!(job.empty, crate::config::EmptyPolicy::Fail);
    assert_eq!((job.automated.zone.as_str(), job.limits.priority), ("Asia/Tokyo", -3));
    assert_eq!(job.limits.max_runtime, Some(jiff::SignedDuration::from_mins(90)));
    assert_eq!(job.limits.start_rate.unwrap().per, jiff::SignedDuration::from_hours(48));
    assert_eq!(config.retention, RetentionConfig { days: 365, runs: 10_000, ticks: 100_000, audit: 365 });
    let mut project = config.projects["shop"].record();
    project["dir"] = "DIR".into();
    insta::assert_json_snapshot!(json!({ "project": project, "job": job.record() }));
}

#[test]
fn a_job_has_its_own_retry_policy_or_the_default_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE_NAME);
    let text = "[projects.shop]\n[retry]\nplugin = \"builtin:transient\"\nconfig = { delay = \"30s\", rules = [{ a = 1 }] }\n\
                [jobs.default]\nsteps = [\"dbt build\"]\n[jobs.never]\nretry = \"none\"\nsteps = [\"dbt build\"]\n\
                [jobs.own]\nsteps = [\"dbt build\"]\n[jobs.own.retry]\nplugin = \"policies/mine.wasm\"\n\
                on_fault = { after = \"1m 30s\", scope = \"all\" }\nmax_attempts = 4\n\
                [jobs.named]\nretry = { plugin = \"mine\", on_fault = { after = \"5s\" } }\nsteps = [\"dbt build\"]\n";
    fs::write(&file, text).unwrap();
    let config = Config::load(&file, None).unwrap();
    let rule = |job: &str| config.jobs[job].retry.clone();
    let default = rule("default").unwrap();
    assert_eq!(config.retry, Some(default.clone()));
    assert_eq!((default.plugin.as_str(), default.max_attempts), ("builtin:transient", 10));
    assert_eq!(default.config, json!({ "delay": "30s", "rules": [{ "a": 1 }] }));
    assert_eq!(default.on_fault, RetryDecision::GiveUp);
    assert_eq!(rule("never"), None);
    let own = rule("own").unwrap();
    assert_eq!(own.plugin, dir.path().join("policies/mine.wasm").to_string_lossy());
    let after = |seconds, scope| RetryDecision::Retry {
        after: jiff::SignedDuration::from_secs(seconds),
        scope,
        threads: None,
    };
    assert_eq!((own.on_fault, own.max_attempts), (after(90, RetryScope::All), 4));
    assert_eq!((own.config, rule("named").unwrap().plugin.as_str()), (json!({}), "mine"));
    assert_eq!(rule("named").unwrap().on_fault, after(5, RetryScope::Unfinished));
    assert_eq!(config.jobs["own"].record()["retry"]["max_attempts"], 4);
}

#[test]
fn a_large_file_is_no_trouble() {
    let jobs = |step: &str, n: usize| -> String {
        (0..n)
            .map(|n| format!("[jobs.{step}{n}]\nsteps = [\"dbt {step} --select {n}\"] # {:400}\n", "x"))
            .collect()
    };
    let good = format!("[projects.shop]\n{}", jobs("build", 2_500));
    assert!(good.len() > 1_000_000);
    assert_eq!(said(good.as_bytes()), "fine: 1 projects, 2500 jobs");
    let bad = said(format!("{good}{}", jobs("biuld", 40)).as_bytes());
    assert_eq!(bad.matches("did you mean `dbt build`?").count(), 40);
    assert!(bad.starts_with("./tidegate.toml:5003: "), "{}", &bad[..99]);
    let comment = format!("{good}#{}", "x".repeat(1_000_000));
    assert_eq!(said(comment.as_bytes()), "fine: 1 projects, 2500 jobs");
}

fn demo() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../dbt_project").join(FILE_NAME)).unwrap()
}

#[test]
fn the_demo_is_fine_by_its_schema_and_by_us() {
    let text = demo();
    assert!(text.starts_with("#:schema ../docs/tidegate.schema.json\n"));
    let value: serde_json::Value = toml::from_str(&text).unwrap();
    assert_eq!(misfits(&schema(), &schema(), &value), Vec::<String>::new());
    assert_eq!(said(text.as_bytes()), "fine: 1 projects, 4 jobs");
    let wrong = json!({ "projects": { "a": { "dir": 1, "x": 1 } }, "jobs": { "b": { "empty": "so" } }, "retention": { "days": 0 } });
    assert_eq!(misfits(&schema(), &schema(), &wrong).len(), 5);
}

/// As much of JSON Schema as ours uses, written apart from the strict parser, which reads it too.
fn misfits(root: &serde_json::Value, schema: &serde_json::Value, value: &serde_json::Value) -> Vec<String> {
    let mut found = Vec::new();
    let rules = schema.as_object().into_iter().flatten();
    for (rule, expected) in rules {
        let fine = match (rule.as_str(), value) {
            ("$ref", _) => {
                let inner = root.pointer(expected.as_str().unwrap().trim_start_matches('#')).unwrap();
                found.extend(misfits(root, inner, value));
                true
            }
            ("anyOf" | "oneOf", _) => {
                expected.as_array().unwrap().iter().any(|option| misfits(root, option, value).is_empty())
            }
            ("const", _) => expected == value,
            ("type", _) => {
                let name = match value {
                    serde_json::Value::Null => "null",
                    serde_json::Value::Bool(_) => "boolean",
                    serde_json::Value::Number(_) => "integer",
                    serde_json::Value::String(_) => "string",
                    serde_json::Value::Array(_) => "array",
                    serde_json::Value::Object(_) => "object",
                };
                expected == name || expected.as_array().is_some_and(|names| names.contains(&name.into()))
            }
            ("minimum", serde_json::Value::Number(n)) => n.as_f64() >= expected.as_f64(),
            ("items", serde_json::Value::Array(items)) => {
                items.iter().for_each(|item| found.extend(misfits(root, expected, item)));
                true
            }
            ("required", serde_json::Value::Object(fields)) => {
                expected.as_array().unwrap().iter().all(|name| fields.contains_key(name.as_str().unwrap()))
            }
            ("properties", serde_json::Value::Object(fields)) => {
                for (name, field) in fields {
                    match expected.get(name).or(schema.get("additionalProperties")) {
                        Some(serde_json::Value::Bool(false)) => found.push(format!("`{name}` is unknown")),
                        Some(inner) => found.extend(misfits(root, inner, field)),
                        None => {}
                    }
                }
                true
            }
            ("additionalProperties", serde_json::Value::Object(fields))
                if schema.get("properties").is_none() =>
            {
                fields.values().for_each(|field| found.extend(misfits(root, expected, field)));
                true
            }
            ("additionalProperties" | "minimum" | "items" | "required" | "properties", _) => true,
            ("$schema" | "$defs" | "title" | "description" | "default" | "format", _) => true,
            (rule, _) => panic!("the schema has a rule that this test does not know: {rule}"),
        };
        if !fine {
            found.push(format!("{rule} {expected}: {value}"));
        }
    }
    found
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        said(text.as_bytes());
    }

    /// The demo's file, damaged: it says where, or it is still fine.
    #[test]
    fn a_damaged_file_is_fine_or_says_where(cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut bytes = demo().into_bytes();
        for (at, byte) in cuts {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let said = said(&bytes);
        prop_assert!(said.starts_with("fine") || said.starts_with("./tidegate.toml"), "{}", said);
    }
}

#[test]
fn a_misspelt_plugin_of_tidegates_own_is_found_wherever_it_is_named() {
    let said = said(
        b"[projects.shop]\ntranslator = { plugin = \"builtin:source-prefx\" }\n[retry]\nplugin = \"builtin:backof\"\n\
          [destinations.ops]\nstdout = {}\n[alerts.ops]\nnotifier = \"builtin:slak\"\ndestinations = [\"ops\"]\n\
          [jobs.a]\nsteps = [\"dbt build\"]\nretry = { plugin = \"builtin:zzz\" }\n",
    );
    for hint in
        ["builtin:source-prefix`?", "builtin:backoff`?", "builtin:slack`?", "built-in plugins: backoff, "]
    {
        assert!(said.contains(hint), "{said}");
    }
    assert!(said.contains(":8: `[alerts.ops]`: there is no built-in plugin `slak`"), "{said}");
}

#[test]
fn a_file_that_says_something_else_by_now_is_not_current() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tidegate.toml");
    fs::write(&file, "\u{feff}[projects.shop]\n").unwrap();
    let config = Config::load(&file, None).unwrap();
    assert!(config.is_current());
    fs::write(&file, "[projects.shop]\n").unwrap();
    assert!(config.is_current(), "the mark at its beginning says nothing");
    fs::write(&file, "[projects.shop]\n[jobs.build]\nsteps = [\"dbt build\"]\n").unwrap();
    assert!(!config.is_current());
    fs::remove_file(&file).unwrap();
    assert!(!config.is_current());
}
