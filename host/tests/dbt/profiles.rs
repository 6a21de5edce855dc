//! The files that a profile names, against dbt's own code and a real DuckDB.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};
use tidegate::dbt::{Invocation, duckdb_files};

use super::ask;

/// How what we say goes with what dbt does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    /// The files that we name are those that dbt opens; here relative to the folder of the case.
    Same(&'static [&'static str]),
    /// dbt reads the profile, which names nothing on this machine. It is not opened here.
    Elsewhere,
    /// Neither dbt nor we can use it.
    Refused,
    /// dbt can use it. We do not claim to know how.
    Shy,
    /// dbt cannot use it, or not here; what we say of it does no harm.
    Moot,
}

use Verdict::{Elsewhere, Moot, Refused, Same, Shy};

struct Case {
    profiles: String,
    project: &'static str,
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
    verdict: Verdict,
}

const PROJECT: &str = "name: shop\nversion: '1.0'\nprofile: shop\n";

fn profiles(profiles: impl Into<String>, verdict: Verdict) -> Case {
    Case { profiles: profiles.into(), project: PROJECT, args: &[], env: &[], verdict }
}

/// A profile whose only target has these lines beside its type.
fn output(lines: &str, verdict: Verdict) -> Case {
    let lines = lines.replace('\n', "\n      ");
    profiles(
        format!("shop:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      {lines}\n"),
        verdict,
    )
}

impl Case {
    fn args(self, args: &'static [&'static str]) -> Self {
        Self { args, ..self }
    }

    fn env(self, env: &'static [(&'static str, &'static str)]) -> Self {
        Self { env, ..self }
    }

    fn project(self, project: &'static str) -> Self {
        Self { project, ..self }
    }
}

const TARGETS: &str = "shop:
  target: \"{{ env_var('STAGE', 'dev') }}\"
  outputs:
    dev: &base {type: duckdb, path: dev.duckdb, threads: 1}
    prod: {<<: *base, path: prod.duckdb}
    copy: {<<: *base}
    default: {type: duckdb, path: default.duckdb}
other:
  outputs:
    default: {<<: *base, path: other.duckdb}
broken:
  target: dev
  outputs: {dev: {type: duckdb, path: \"{{ env_var('GONE') }}\"}, prod: {type: duckdb, path: ok.duckdb}}
";

fn cases() -> Vec<Case> {
    let targets = |verdict| profiles(TARGETS, verdict);
    vec![
        // Where the database is.
        output("path: shop.duckdb", Same(&["project/shop.duckdb"])),
        output("path: ../data/shop.duckdb", Same(&["data/shop.duckdb"])),
        output("path: link/shop.duckdb", Same(&["data/shop.duckdb"])),
        output("path: ~/shop.duckdb", Same(&["home/shop.duckdb"])),
        output("path: 'a?b=1.duckdb'", Same(&["project/a?b=1.duckdb"])),
        output("path: 'x:y.duckdb'", Same(&["project/x:y.duckdb"])),
        output("path: ' padded.duckdb '", Same(&["project/ padded.duckdb "])),
        output("path: |\n  block.duckdb\n", Same(&["project/block.duckdb"])),
        output("path: 'my.shop.duckdb'", Same(&["project/my.shop.duckdb"])),
        output("schema: main", Same(&[])),
        output("path: ':memory:'", Same(&[])),
        output("path: ':memory:shared'", Moot),
        output("path: ''", Moot),
        output("path:", Refused),
        output("path: 5", Refused),
        output("path: on", Refused),
        output("path: 010", Refused),
        output("path: [a.duckdb]", Refused),
        output("path: md:shop?motherduck_token=hush", Elsewhere),
        output("path: 'foo://b/shop.duckdb'", Shy),
        output("path: 'ducklake:meta.ducklake'", Elsewhere),
        output("path: shop.duckdb\nremote: {host: h, port: 5433, user: u}", Elsewhere),
        output("path: shop.duckdb\ndatabase: other", Moot),
        // Jinja.
        output("path: \"{{ env_var('DIR') }}/shop.duckdb\"", Same(&["project/sub/shop.duckdb"]))
            .env(&[("DIR", "sub")]),
        output("path: \"{{ env_var('FILE', 'fallback.duckdb') }}\"", Same(&["project/fallback.duckdb"])),
        output("path: \"{{ env_var('FILE', 'fallback.duckdb') }}\"", Same(&["project/f.duckdb"]))
            .env(&[("FILE", "f.duckdb")]),
        output("path: \"{{ env_var('GONE') }}\"", Refused),
        output("path: \"{{ env_var('GONE', none) }}\"", Refused),
        output("path: \"{{ env_var('DBT_ENV_SECRET_F') }}.duckdb\"", Same(&["project/hush.duckdb"]))
            .env(&[("DBT_ENV_SECRET_F", "hush")]),
        output("path: \"{{ env_var('DBT_ENV_SECRET_F') | upper }}.duckdb\"", Same(&["project/hush.duckdb"]))
            .env(&[("DBT_ENV_SECRET_F", "hush")]),
        output("path: \"{{ env_var('DBT_ENV_SECRET_F') }}{{ env_var('DBT_ENV_SECRET_F') }}\"", Refused)
            .env(&[("DBT_ENV_SECRET_F", "hush")]),
        output("path: \"{{ env_var('DBT_ENV_PRIVATE_F') }}\"", Refused).env(&[("DBT_ENV_PRIVATE_F", "x")]),
        output("path: \"{{ var('file') }}.duckdb\"", Same(&["project/a.duckdb"]))
            .args(&["--vars", "{file: a}"]),
        output("path: \"{{ var('file') }}.duckdb\"", Refused),
        output("path: \"{{ var('file', 'b') }}.duckdb\"", Same(&["project/b.duckdb"])),
        output("path: \"v{{ var('n') }}.duckdb\"", Same(&["project/v7.duckdb"])).args(&["--vars=n: 7"]),
        output("path: \"v{{ var('n') }}.duckdb\"", Same(&["project/vTrue.duckdb"]))
            .args(&["--vars", "n: on"]),
        output("path: \"v{{ var('n') }}.duckdb\"", Same(&["project/vNone.duckdb"])).args(&["--vars", "n:"]),
        output("path: \"v{{ var('n') }}.duckdb\"", Shy).args(&["--vars", "n: 010"]),
        output("path: \"v{{ var('n') }}.duckdb\"", Shy).args(&["--vars", "n: 1.50"]),
        output("path: \"{{ var('n') }}\"", Refused).args(&["--vars", "n: 7"]),
        output("path: \"{{ 'a' ~ var('n') }}\"", Same(&["project/a7"])).args(&["--vars", "n: 7"]),
        output("path: \"{{ 'a' ~ var('n') }}\"", Shy).args(&["--vars", "n: true"]),
        output("path: \"{{ var('m').file }}.duckdb\"", Same(&["project/x.duckdb"]))
            .args(&["--vars", "{m: {file: x}}"]),
        output("path: \"{{ var('f') }}.duckdb\"", Shy).args(&["--vars", "f: \"{{ 1 + 1 }}\""]),
        output("path: \"{{ env_var('N') | as_text }}\"", Same(&["project/5"])).env(&[("N", "5")]),
        output("path: \"{{ env_var('N') | as_number }}\"", Refused).env(&[("N", "5")]),
        output("path: \"{{ env_var('N') | as_native }}\"", Same(&["project/n.duckdb"]))
            .env(&[("N", "n.duckdb")]),
        output("path: \"{{ env_var('N') | as_native }}\"", Shy).env(&[("N", "'n.duckdb'")]),
        output(
            "path: \"{{ env_var('N') | lower | replace('-', '_') | trim }}.duckdb\"",
            Same(&["project/a_b.duckdb"]),
        )
        .env(&[("N", " A-B ")]),
        output("path: \"{{ env_var('N').split('/')[0] }}.duckdb\"", Same(&["project/a.duckdb"]))
            .env(&[("N", "a/b")]),
        output("path: \"{{ env_var('N')[:2] }}.duckdb\"", Same(&["project/ab.duckdb"])).env(&[("N", "abc")]),
        output("path: \"{{ env_var('N', '') or 'x' }}.duckdb\"", Same(&["project/x.duckdb"]))
            .env(&[("N", "")]),
        output(
            "path: \"{% if env_var('CI', '') %}ci{% else %}me{% endif %}.duckdb\"",
            Same(&["project/me.duckdb"]),
        ),
        output("path: \"{# why #}a.duckdb\"", Same(&["project/a.duckdb"])),
        output("path: \"{{ 'a' if var('x', true) else 'b' }}.duckdb\"", Same(&["project/a.duckdb"])),
        output("path: \"{{ 'a' | title }}.duckdb\"", Shy),
        output("path: \"{{ dbt_version }}.duckdb\"", Shy),
        output("path: \"{{ modules.re.sub('a', 'b', 'a') }}.duckdb\"", Shy),
        output("path: \"{{ nothing }}.duckdb\"", Shy),
        output("path: \"{{ broken\"", Refused),
        output("path: \"{ not jinja }\"", Same(&["project/{ not jinja }"])),
        // Other keys are not looked at.
        output("path: a.duckdb\nsettings: {memory_limit: \"{{ 1 | title }}\"}", Same(&["project/a.duckdb"])),
        // What is attached.
        output(
            "path: a.duckdb\nattach:\n- path: b.duckdb\n  read_only: false\n- path: ../data/c.db\n  alias: c",
            Same(&["project/a.duckdb", "project/b.duckdb", "data/c.db"]),
        ),
        output("attach: [{path: \"{{ env_var('B') }}.duckdb\", alias: b}]", Same(&["project/x.duckdb"]))
            .env(&[("B", "x")]),
        output("attach: [{path: \"~/b.duckdb\"}, {path: ':memory:', alias: m}]", Same(&["home/b.duckdb"])),
        output("attach: [{path: 'duckdb:k.db'}]", Same(&["project/k.db"])),
        output("attach: [{path: 'q.db', type: duckdb}]", Same(&["project/q.db"])),
        output(
            "path: a.duckdb\nattach: [{path: s.db, type: sqlite}, {path: 'host=h', type: postgres}]",
            Moot,
        ),
        output("attach: [{path: 'md:x'}]", Elsewhere),
        output("attach: [{path: 's3://b/x.duckdb', alias: x}]", Elsewhere),
        output("attach: [{path: 'x', type: quack}]", Shy),
        output("attach: [{path: 'ducklake:lake', alias: x}]", Shy),
        output("attach: [{alias: b}]", Refused),
        output("attach: []", Same(&[])),
        output("attach:", Same(&[])),
        output("attach: {path: b.duckdb}", Refused),
        // Which target.
        targets(Same(&["project/dev.duckdb"])),
        targets(Same(&["project/prod.duckdb"])).env(&[("STAGE", "prod")]),
        targets(Refused).env(&[("STAGE", "nowhere")]),
        targets(Same(&["project/prod.duckdb"])).args(&["--target", "prod"]),
        targets(Same(&["project/prod.duckdb"])).args(&["--target=prod", "--select", "a", "b"]),
        targets(Same(&["project/prod.duckdb"])).args(&["-s", "a", "-t", "prod"]),
        targets(Same(&["project/prod.duckdb"])).args(&["-xtprod"]),
        targets(Same(&["project/prod.duckdb"])).args(&["-t", "dev", "-t", "prod"]),
        targets(Same(&["project/dev.duckdb"])).args(&["-t", "copy"]),
        targets(Same(&["project/prod.duckdb"])).env(&[("DBT_TARGET", "prod")]),
        targets(Same(&["project/dev.duckdb"])).env(&[("DBT_TARGET", "")]),
        targets(Same(&["project/dev.duckdb"])).args(&["-t", "dev"]).env(&[("DBT_TARGET", "prod")]),
        targets(Same(&["project/prod.duckdb"])).env(&[("DBT_ENGINE_TARGET", "prod"), ("DBT_TARGET", "dev")]),
        targets(Refused).args(&["-t", "gone"]),
        // Which profile.
        targets(Same(&["project/other.duckdb"])).args(&["--profile", "other"]),
        targets(Same(&["project/other.duckdb"])).env(&[("DBT_PROFILE", "other")]),
        targets(Refused).args(&["--profile", "gone"]),
        targets(Refused).args(&["--profile", "broken"]),
        targets(Same(&["project/ok.duckdb"])).args(&["--profile", "broken", "--target", "prod"]),
        targets(Same(&["project/other.duckdb"]))
            .project("name: shop\nversion: '1.0'\nprofile: \"{{ env_var('P') }}\"\n")
            .env(&[("P", "other")]),
        targets(Refused).project("name: shop\nversion: '1.0'\nprofile: \"{{ env_var('P') }}\"\n"),
        targets(Refused).project("name: shop\nversion: '1.0'\n"),
        targets(Refused).project("- name\n"),
        // Files that are none.
        profiles("", Refused),
        profiles("shop:\n", Refused),
        profiles("shop: {outputs: {}}", Refused),
        profiles("shop: {target: dev}", Refused),
        profiles("shop: {target: dev, outputs: {dev: duckdb}}", Refused),
        profiles("shop: {target: dev, outputs: {dev: {path: a.duckdb}}}", Refused),
        profiles("shop: [", Refused),
        profiles("shop: {target: dev, outputs: {dev: !!python/name:os.system x}}", Refused),
        profiles("shop: {target: [dev], outputs: {dev: {type: duckdb}}}", Refused),
        profiles("shop: {outputs: {default: {type: duckdb, path: a.duckdb}}}", Same(&["project/a.duckdb"])),
        profiles(
            "shop: {target: dev, outputs: {dev: {type: \"{{ var('t', 'duckdb') }}\", path: a.duckdb}}}",
            Same(&["project/a.duckdb"]),
        ),
        profiles(
            "shop: {target: dev, target: two, outputs: {dev: {type: duckdb, path: a.duckdb}, two: {type: duckdb, path: b.duckdb}}}",
            Same(&["project/b.duckdb"]),
        ),
        profiles(
            "\u{feff}shop: {target: dev, outputs: {dev: {type: duckdb, path: a.duckdb}}}",
            Same(&["project/a.duckdb"]),
        ),
    ]
}

#[test]
fn the_files_that_we_name_are_those_that_dbt_opens() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    let mut questions = Vec::new();
    let mut ours = Vec::new();
    let cases = cases();
    for (number, case) in cases.iter().enumerate() {
        let folder = root.join(number.to_string());
        let project = folder.join("project");
        for dir in ["project/sub", "data", "home"] {
            fs::create_dir_all(folder.join(dir)).unwrap();
        }
        std::os::unix::fs::symlink("../data", project.join("link")).unwrap();
        fs::write(project.join("dbt_project.yml"), case.project).unwrap();
        fs::write(project.join("profiles.yml"), &case.profiles).unwrap();
        let mut env: std::collections::BTreeMap<String, String> =
            case.env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        env.insert("HOME".to_owned(), folder.join("home").display().to_string());
        let args: Vec<String> = std::iter::once(&"build").chain(case.args).map(|a| (*a).to_owned()).collect();
        let open = matches!(case.verdict, Same(_));
        questions.push(json!({"root": folder, "cwd": project, "args": args, "env": env, "open": open}));
        ours.push(duckdb_files(&Invocation { program: "dbt".into(), args, cwd: project, env }));
    }
    let theirs = ask("dbt/profiles.py", &Value::from(questions));
    let mut wrong = Vec::new();
    for (number, (case, (ours, theirs))) in
        cases.iter().zip(ours.into_iter().zip(theirs.as_array().unwrap())).enumerate()
    {
        let folder = root.join(number.to_string());
        let opened: Option<BTreeSet<PathBuf>> = theirs["files"]
            .as_array()
            .map(|files| files.iter().map(|file| file.as_str().unwrap().into()).collect());
        let is_right = match (case.verdict, &ours, &opened) {
            (Same(files), Ok(ours), Some(opened)) => {
                let wanted: BTreeSet<_> = files.iter().map(|file| folder.join(file)).collect();
                *ours == wanted && *opened == wanted
            }
            // A catalogue of a lake is a file, though it cannot be opened here.
            (Elsewhere, Ok(ours), Some(_)) => ours.iter().all(|file| file.ends_with("meta.ducklake")),
            (Refused, Err(_), None) | (Shy, Err(_), Some(_)) | (Moot, ..) => true,
            _ => false,
        };
        if let Err(error) = &ours {
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
        if !is_right {
            wrong.push(format!(
                "{}\n{:?} {:?}: {:?}\n  we say {ours:?}\n  dbt says {theirs}",
                case.profiles, case.args, case.env, case.verdict
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll<'a>(&mut self, sides: &[&'a str]) -> &'a str {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        sides[usize::try_from(self.0 % sides.len() as u64).unwrap()]
    }

    /// An expression that nests so deep.
    fn expression(&mut self, depth: u32) -> String {
        let atoms = [
            "'a'",
            "'B c'",
            "''",
            "5",
            "0",
            "-3",
            "true",
            "none",
            "env_var('WORD')",
            "env_var('EMPTY')",
            "env_var('NUMBER')",
            "env_var('TRUTH')",
            "env_var('GONE', 'x')",
            "env_var('EMPTY', 'x')",
            "var('word')",
            "var('number')",
            "var('flag')",
            "var('nothing')",
            "var('float')",
            "var('list')[0]",
            "var('map').key",
            "var('map').gone",
            "var('map')['key']",
            "var('gone', 7)",
            "env_var('DBT_ENV_SECRET_WORD')",
        ];
        if depth == 0 {
            return self.roll(&atoms).to_owned();
        }
        let first = self.expression(depth - 1);
        match self.roll(&[
            "filter", "method", "join", "compare", "choose", "logic", "slice", "test", "math", "atom",
        ]) {
            "filter" => {
                let filters = [
                    "lower",
                    "upper",
                    "trim",
                    "string",
                    "int",
                    "length",
                    "default('d')",
                    "default('d', true)",
                    "d('e')",
                    "replace('a', 'b')",
                    "as_text",
                    "as_bool",
                    "as_number",
                    "as_native",
                    "title",
                    "capitalize",
                    "first",
                    "abs",
                    "float",
                    "tojson",
                    "list",
                    "reverse",
                    "join('-')",
                    "e",
                ];
                format!("({first}) | {}", self.roll(&filters))
            }
            "method" => {
                let methods = [
                    "upper()",
                    "lower()",
                    "strip()",
                    "strip('a')",
                    "replace('a', 'z')",
                    "replace('', 'z')",
                    "split('b')[0]",
                    "split()[0]",
                    "lstrip('B')",
                    "rstrip('c')",
                    "startswith('a')",
                    "endswith('x')",
                    "title()",
                    "get('key')",
                    "get('key', 'f')",
                    "format(1)",
                    "zfill(4)",
                ];
                format!("({first}).{}", self.roll(&methods))
            }
            "join" => format!("({first}) ~ ({})", self.expression(depth - 1)),
            "compare" => {
                format!(
                    "({first}) {} ({})",
                    self.roll(&["==", "!=", "<", ">", "in", "not in"]),
                    self.expression(depth - 1)
                )
            }
            "choose" => {
                let (condition, other) = (self.expression(depth - 1), self.expression(depth - 1));
                format!("({first}) if ({condition}) else ({other})")
            }
            "logic" => {
                format!("({first}) {} ({})", self.roll(&["and", "or", "and not"]), self.expression(depth - 1))
            }
            "slice" => {
                format!("({first}){}", self.roll(&["[0]", "[:1]", "[1:]", "[-1:]", "[:-1]", "[::2]", "[9:]"]))
            }
            "test" => {
                let tests = [
                    "defined",
                    "undefined",
                    "none",
                    "not none",
                    "string",
                    "true",
                    "false",
                    "number",
                    "mapping",
                ];
                format!("({first}) is {}", self.roll(&tests))
            }
            "math" => format!(
                "({first}) {} ({})",
                self.roll(&["+", "-", "*", "//", "%"]),
                self.expression(depth - 1)
            ),
            _ => first,
        }
    }
}

#[test]
fn no_template_is_taken_for_another_file_than_dbt_takes_it_for() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    let env: std::collections::BTreeMap<String, String> = [
        ("WORD", "aBc"),
        ("EMPTY", ""),
        ("NUMBER", "5"),
        ("TRUTH", "True"),
        ("DBT_ENV_SECRET_WORD", "hush"),
        ("HOME", "/"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    let vars = "{word: abc, number: 7, flag: yes, nothing: null, float: 1.5, list: [x, 1], map: {key: k}}";
    let args: Vec<String> = ["build", "--vars", vars].map(str::to_owned).into();
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    let mut questions = Vec::new();
    let mut ours = Vec::new();
    for number in 0..1_500 {
        let expression = dice.expression(number % 3);
        let shape = dice.roll(&[
            "{{ X }}",
            "p{{ X }}",
            "{{ X }}.db",
            "{% if X %}y{% else %}n{% endif %}",
            "{% set s = X %}p{{ s }}",
            "{{ X }}{{ X }}",
            "p{% for c in X %}{{ c }}{% endfor %}",
            "p{{- X -}} q",
        ]);
        let template = shape.replace('X', &expression);
        let project = root.join(number.to_string());
        fs::create_dir(&project).unwrap();
        fs::write(project.join("dbt_project.yml"), PROJECT).unwrap();
        let profile = json!({"shop": {"outputs": {"default": {"type": "duckdb", "path": template}}}});
        fs::write(project.join("profiles.yml"), profile.to_string()).unwrap();
        questions.push(json!({"root": project, "cwd": project, "args": args, "env": env, "open": false}));
        let call =
            Invocation { program: "dbt".into(), args: args.clone(), cwd: project.clone(), env: env.clone() };
        ours.push((template, project, duckdb_files(&call)));
    }
    let theirs = ask("dbt/profiles.py", &Value::from(questions));
    let mut agreed = 0;
    let mut wrong = Vec::new();
    for ((template, project, ours), theirs) in ours.into_iter().zip(theirs.as_array().unwrap()) {
        let (Ok(ours), Some(path)) = (ours, theirs["path"].as_str()) else { continue };
        let wanted = if path.is_empty() { BTreeSet::new() } else { BTreeSet::from([project.join(path)]) };
        agreed += 1;
        if ours != wanted {
            wrong.push(format!("{template}: we say {ours:?}, dbt says {path}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {agreed}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(agreed > 500, "only {agreed} templates were understood by both");
}
