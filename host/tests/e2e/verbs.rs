//! The verbs as people and scripts see them: snapshots of the real binary's output.

use std::process::Command;

use crate::support::Sandbox;

/// Replaces what differs from run to run.
fn settings(shop: &Sandbox) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    let dir = shop.dir.path().canonicalize().unwrap();
    for path in [dir.as_path(), shop.dir.path()] {
        settings.add_filter(&regex_of(path.to_str().unwrap()), "[dir]");
    }
    settings.add_filter(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "[time]");
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[time]");
    settings.add_filter(r"\d+\.\d\d s", "[s] s");
    // Columns are as wide as what differs.
    settings.add_filter(r"([^ \n]) {2,}", "$1  ");
    settings.add_filter(r#"("execution_time": )[\d.e-]+"#, "$1[s]");
    settings.add_filter(r#"("thread": )"[^"]*""#, "$1[thread]");
    settings.add_filter(r#"("(?:code_version|manifest_digest|digest)": ")[0-9a-f]+"#, "$1[digest]");
    settings
}

fn regex_of(path: &str) -> String {
    path.chars()
        .map(|c| if c.is_alphanumeric() || c == '/' { c.to_string() } else { format!("\\{c}") })
        .collect()
}

#[test]
fn help() {
    let say = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let verbs: [&[&str]; 11] = [
        &["help"],
        &["init", "--help"],
        &["check", "--help"],
        &["jobs", "--help"],
        &["assets", "--help"],
        &["assets", "show", "--help"],
        &["run", "--help"],
        &["materialize", "--help"],
        &["runs", "--help"],
        &["logs", "--help"],
        &["plugin", "--help"],
    ];
    let all: Vec<_> =
        verbs.iter().map(|args| format!("$ tidegate {}\n{}", args.join(" "), say(args))).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn init_check_and_the_shapes_of_json() {
    let shop = Sandbox::models(&[("one", "select 1 as id"), ("two", "select * from {{ ref('one') }}")]);
    std::fs::remove_file(shop.file("tidegate.toml")).unwrap();
    shop.write(
        "models/_models.yml",
        "models:\n  - name: one\n    description: The first.\n    columns: [{name: id, description: Key., \
         data_tests: [not_null, {unique: {config: {severity: warn}}}]}]\n",
    );
    let settings = settings(&shop);
    settings.bind(|| {
        shop.run(&["init"]).code(0).err_has("wrote");
        insta::assert_snapshot!("init", shop.read("tidegate.toml"));
        shop.run(&["init"]).code(2).err_has("is there already");
        insta::assert_snapshot!("check", shop.run(&["check"]).code(0).out);
        shop.run(&["run", "build"]).code(0);
        insta::assert_snapshot!("jobs_json", shop.run(&["jobs", "--json"]).code(0).out);
        insta::assert_snapshot!("assets_json", shop.run(&["assets", "key:one+", "--json"]).code(0).out);
        insta::assert_snapshot!(
            "assets_show_json",
            shop.run(&["assets", "show", "one", "--json"]).code(0).out
        );
        insta::assert_snapshot!("assets_show", shop.run(&["assets", "show", "one"]).code(0).out);
        insta::assert_snapshot!("assets", shop.run(&["assets"]).code(0).out);
        let user = crate::support::text(&shop.show(1)["request"]["launch"]["user"]);
        let runs = |args: &[&str]| shop.run(args).code(0).out.replace(&user, "[user]");
        insta::assert_snapshot!("runs_json", runs(&["runs", "--json"]));
        insta::assert_snapshot!("runs", runs(&["runs"]));
    });
    // Of a run's own record the shape is kept, not the values: these differ from machine to machine.
    let shape = shape_of(&shop.show(1));
    insta::assert_snapshot!("runs_show_json_shape", shape.join("\n"));
}

/// Every path in a JSON value with the type that it has.
fn shape_of(value: &serde_json::Value) -> Vec<String> {
    fn walk(path: &str, value: &serde_json::Value, out: &mut std::collections::BTreeSet<String>) {
        use serde_json::Value;
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| walk(&format!("{path}.{key}"), value, out))
            }
            Value::Array(items) => items.iter().for_each(|item| walk(&format!("{path}[]"), item, out)),
            Value::Null => drop(out.insert(format!("{path}: null"))),
            Value::Bool(_) => drop(out.insert(format!("{path}: bool"))),
            Value::Number(_) => drop(out.insert(format!("{path}: number"))),
            Value::String(_) => drop(out.insert(format!("{path}: string"))),
        }
    }
    let mut out = std::collections::BTreeSet::new();
    walk("", value, &mut out);
    out.into_iter().collect()
}
