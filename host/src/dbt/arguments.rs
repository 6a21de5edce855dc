//! dbt's arguments as operators write them: what is refused, and how a command becomes the `ls` that plans it.

use super::options::{SHORT_FLAGS, option_value, pieces};
use crate::model::nearest;

/// Why a step cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Commands that a step may be. Others need a terminal, a server, or clean away what Tidegate keeps.
const COMMANDS: [&str; 10] =
    ["build", "run", "test", "seed", "snapshot", "source", "compile", "run-operation", "docs", "deps"];

/// Options that Tidegate sets itself, so that it sees everything that dbt says and finds what dbt writes.
const OWN_OPTIONS: [&str; 18] = [
    "--debug",
    "--help",
    "--log-format",
    "--log-format-file",
    "--log-level",
    "--log-level-file",
    "--log-path",
    "--no-debug",
    "--no-print",
    "--no-write-json",
    "--profiles-dir",
    "--project-dir",
    "--quiet",
    "--target-path",
    "--use-colors",
    "--use-colors-file",
    "--version",
    "--write-json",
];

/// Options that take values, among those that decide what a command selects.
const SELECTING: [&str; 14] = [
    "--exclude",
    "--exclude-resource-type",
    "--exclude-resource-types",
    "--indirect-selection",
    "--model",
    "--models",
    "--profile",
    "--resource-type",
    "--resource-types",
    "--select",
    "--selector",
    "--state",
    "--target",
    "--vars",
];

/// Options that decide which nodes a command selects.
const NARROWING: [&str; 12] = [
    "--exclude",
    "--exclude-resource-type",
    "--exclude-resource-types",
    "--indirect-selection",
    "--model",
    "--models",
    "--resource-type",
    "--resource-types",
    "--select",
    "--selector",
    "-m",
    "-s",
];

/// How long a command line may become, in bytes. Linux takes some more, and the environment counts as well.
pub(super) const MAX_LINE: usize = 1_000_000;

/// How long one argument may become, in bytes: Linux takes 128 KiB.
pub(super) const MAX_ARGUMENT: usize = 120_000;

/// Refuses what cannot be a step. The arguments are dbt's, from the subcommand on.
pub fn check_arguments(args: &[String]) -> Result<(), Refusal> {
    let refuse = |message: String, hint: &str| {
        Err(Refusal { message, hint: (!hint.is_empty()).then(|| hint.to_owned()) })
    };
    let Some(command) = args.first().filter(|command| !command.is_empty()) else {
        return refuse("there is no dbt command".to_owned(), "write it as you type it: `dbt build`");
    };
    if command.starts_with('-') {
        return refuse(
            format!("begins with the option `{command}`"),
            "write the command first: dbt takes its global options behind it too",
        );
    }
    if command == "retry" {
        return refuse(
            "`dbt retry` loses what was running or waiting when dbt was stopped".to_owned(),
            "run the job again",
        );
    }
    if !COMMANDS.contains(&command.as_str()) {
        let near = nearest(command, COMMANDS.into_iter());
        let message = format!("`dbt {command}` cannot be a step");
        return match near {
            Some(near) => refuse(message, &format!("did you mean `dbt {near}`?")),
            None => refuse(message, &format!("steps are {}", COMMANDS.join(", "))),
        };
    }
    match (command.as_str(), args.get(1).map(String::as_str)) {
        ("source", Some("freshness" | "snapshot-freshness")) | ("docs", Some("generate")) => {}
        ("source", _) => {
            return refuse("`dbt source` needs its subcommand".to_owned(), "dbt source freshness");
        }
        ("docs", _) => return refuse("of `dbt docs` only `generate` can be a step".to_owned(), ""),
        _ => {}
    }
    for arg in args {
        if arg.contains('\0') {
            return refuse("a NUL cannot be part of a command".to_owned(), "");
        }
        let name = arg.split('=').next().unwrap_or(arg);
        if OWN_OPTIONS.contains(&name) || hides_own_flag(arg) {
            return refuse(
                format!("`{name}` is Tidegate's to set: it reads dbt's log and artifacts"),
                "leave the option out",
            );
        }
    }
    Ok(())
}

/// Whether `-d`, `-q`, `-h` or `-V` is among the flags of a short option.
fn hides_own_flag(arg: &str) -> bool {
    let Some(flags) = arg.strip_prefix('-').filter(|flags| !flags.starts_with('-')) else { return false };
    // What stands behind an option that takes a value is its value.
    flags.chars().take_while(|c| SHORT_FLAGS.contains(c)).any(|c| matches!(c, 'd' | 'h' | 'q' | 'V'))
}

/// Whether a command selects nodes and reports on each of them.
pub fn is_node_command(args: &[String]) -> bool {
    args.first().is_some_and(|c| {
        matches!(c.as_str(), "build" | "run" | "test" | "seed" | "snapshot" | "source" | "compile")
    })
}

/// The resource types of which a command reports nodes.
pub fn planned_types(args: &[String]) -> &'static [&'static str] {
    match args.first().map(String::as_str) {
        Some("build") => {
            &["model", "seed", "snapshot", "test", "unit_test", "function", "saved_query", "exposure"]
        }
        Some("run") => &["model"],
        Some("test") => &["test", "unit_test"],
        Some("seed") => &["seed"],
        Some("snapshot") => &["snapshot"],
        // What a selection of assets is resolved with.
        Some("ls") => &["model", "seed", "snapshot", "source"],
        _ => &[],
    }
}

/// The arguments of the `dbt ls` that lists what a command selects; none for a command whose nodes are not planned.
pub fn list_arguments(args: &[String]) -> Option<Vec<String>> {
    if planned_types(args).is_empty() {
        return None;
    }
    let mut list = vec!["ls".to_owned()];
    let mut keeping = false;
    for arg in args.iter().skip(1) {
        let name = arg.split('=').next().unwrap_or(arg);
        if arg.starts_with('-') {
            let selects = SELECTING.contains(&name) || matches!(name, "-s" | "-m" | "-t");
            keeping = selects && !arg.contains('=');
            if selects {
                // `ls` calls it --select even where a command still takes --models.
                list.push(if matches!(name, "--model" | "--models" | "-m") {
                    arg.replacen(name, "--select", 1)
                } else {
                    arg.clone()
                });
            }
        } else if keeping {
            list.push(arg.clone());
        }
    }
    list.extend(
        ["--output", "json", "--output-keys", "unique_id", "resource_type", "config"].map(str::to_owned),
    );
    Some(list)
}

/// Whether a command runs what it selects, so that it can be told to run some of it.
pub fn can_be_narrowed(args: &[String]) -> bool {
    match args.first().map(String::as_str) {
        Some("build" | "run" | "test" | "seed" | "snapshot") => true,
        Some("source") => {
            args.get(1).is_some_and(|sub| matches!(sub.as_str(), "freshness" | "snapshot-freshness"))
        }
        _ => false,
    }
}

/// With how many threads a command says that it is to run; none where it does not say so.
pub fn threads_of(args: &[String]) -> Option<u32> {
    option_value(args, &["--threads"])?.parse().ok()
}

/// The command with so many threads; as it was, where it takes no such option.
pub fn with_threads(args: &[String], threads: u32) -> Vec<String> {
    if args.first().is_none_or(|command| command == "deps") {
        return args.to_vec();
    }
    let mut words = Vec::with_capacity(args.len() + 2);
    for piece in pieces(args) {
        if piece.name != "--threads" {
            words.extend_from_slice(piece.words);
        }
    }
    words.extend(["--threads".to_owned(), threads.to_string()]);
    words
}

/// The command with another selection: these selectors and nothing that goes with them. Every other option is kept. None
/// for a command that cannot be narrowed, and for a selection that no command line can hold.
pub fn narrowed_arguments(args: &[String], selectors: &[String]) -> Option<Vec<String>> {
    if !can_be_narrowed(args) || selectors.is_empty() {
        return None;
    }
    let mut narrowed = Vec::new();
    for piece in pieces(args) {
        if !NARROWING.contains(&piece.name) {
            narrowed.extend_from_slice(piece.words);
        } else if !piece.flags.is_empty() {
            narrowed.push(format!("-{}", piece.flags));
        }
    }
    narrowed.push("--select".to_owned());
    narrowed.extend_from_slice(selectors);
    // Sources have no tests that a freshness check could run.
    if args[0] != "source" {
        narrowed.extend(["--indirect-selection", "empty"].map(str::to_owned));
    }
    let fits = narrowed.iter().all(|word| word.len() <= MAX_ARGUMENT)
        && narrowed.iter().map(|word| word.len() + 1).sum::<usize>() <= MAX_LINE;
    fits.then_some(narrowed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;

    #[test]
    fn a_narrowed_command_keeps_everything_but_its_selection() {
        let narrowed = |step: &str, selector: &str| {
            narrowed_arguments(&words(step), &words(selector)).map(|args| args.join(" "))
        };
        for (step, kept) in [
            ("build", "build"),
            ("build --select a b --full-refresh", "build --full-refresh"),
            ("build --select=a b --vars {a: 1}", "build --vars {a: 1}"),
            ("build -s a b -x", "build -x"),
            ("build -xfsa b -t prod", "build -xf -t prod"),
            ("build -tprod -m a -f", "build -tprod -f"),
            ("build --model a --models=b --exclude c d --threads 4", "build --threads 4"),
            ("build --selector nightly --target=dev", "build --target=dev"),
            ("build --selector=nightly --state -odd --defer", "build --state -odd --defer"),
            ("build --resource-type model --resource-types=test seed --fail-fast", "build --fail-fast"),
            ("test --exclude-resource-types unit_test --exclude-resource-type=test", "test"),
            ("run --indirect-selection cautious --indirect-selection=eager --empty", "run --empty"),
            ("seed --new-option x --select a", "seed --new-option x"),
        ] {
            assert_eq!(
                narrowed(step, "fqn:p.x fqn:p.y").unwrap(),
                format!("{kept} --select fqn:p.x fqn:p.y --indirect-selection empty"),
                "{step}"
            );
        }
        assert_eq!(
            narrowed("source freshness -s source:a --output x.json", "source:p.a.b").unwrap(),
            "source freshness --output x.json --select source:p.a.b"
        );
        for step in ["compile --select a", "run-operation grant", "docs generate", "deps", ""] {
            assert_eq!(narrowed(step, "fqn:p.x"), None, "{step}");
        }
        assert_eq!(narrowed_arguments(&words("build"), &[]), None);
        assert_eq!(narrowed_arguments(&words("build"), &["x".repeat(130_000)]), None);
        assert_eq!(narrowed_arguments(&words("build"), &vec!["x".repeat(1_000); 1_000]), None);
    }

    #[test]
    fn a_command_gets_another_number_of_threads() {
        let with = |step: &str| with_threads(&words(step), 2).join(" ");
        for (step, expected) in [
            ("build", "build --threads 2"),
            ("build --threads 8 --select a b", "build --select a b --threads 2"),
            ("build --select a b --threads=8", "build --select a b --threads 2"),
            ("run -s a --vars --threads", "run -s a --vars --threads --threads 2"),
            ("source freshness", "source freshness --threads 2"),
            ("deps", "deps"),
        ] {
            assert_eq!(with(step), expected, "{step}");
        }
        assert_eq!(threads_of(&words("build --threads 4 --threads=3 --select a")), Some(3));
        assert_eq!(threads_of(&words("build --threads many")), None);
        assert_eq!(threads_of(&words("build --vars --threads")), None);
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn steps_that_can_run() {
        for step in [
            "build --no-partial-parse",
            "build --select fct_orders+ --full-refresh",
            "source freshness",
            "run-operation grant --args {}",
            "docs generate",
            "build -sdim_customers -xf",
            "run -tprod -m q",
        ] {
            assert_eq!(check_arguments(&words(step)), Ok(()), "{step}");
        }
    }

    #[test]
    fn steps_that_cannot() {
        let said = |step: &str| {
            let refusal = check_arguments(&words(step)).unwrap_err();
            format!("{step}: {}; {}", refusal.message, refusal.hint.unwrap_or_default())
        };
        insta::assert_snapshot!(
            [
                "biuld",
                "clean",
                "--fail-fast build",
                "retry",
                "source",
                "docs serve",
                "build --target-path=x",
                "run -q",
                "run -xq",
                "",
            ]
            .map(said)
            .join("\n")
        );
    }

    #[test]
    fn what_no_process_can_be_given() {
        let refusal = check_arguments(&words("build --select a\0b")).unwrap_err();
        assert_eq!(refusal.message, "a NUL cannot be part of a command");
    }

    #[test]
    fn a_plan_keeps_what_selects_and_nothing_else() {
        let list = |step: &str| list_arguments(&words(step)).map(|l| l.join(" "));
        let tail = "--output json --output-keys unique_id resource_type config";
        assert_eq!(list("build --no-partial-parse"), Some(format!("ls {tail}")));
        assert_eq!(
            list("run --select a b --full-refresh --threads 4 --vars {} --exclude c"),
            Some(format!("ls --select a b --vars {{}} --exclude c {tail}"))
        );
        assert_eq!(list("run -m a --fail-fast"), Some(format!("ls --select a {tail}")));
        assert_eq!(list("run-operation x"), None);
    }
}
