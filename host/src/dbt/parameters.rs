//! What someone who launches steps changes about their arguments.
//!
//! Owns which command takes which option. Target and variables are the call's, as those of the project are: here a step only
//! loses what it says of them itself.

use serde_json::{Map, Value};

use super::{
    arguments::{MAX_ARGUMENT, MAX_LINE, Refusal, check_arguments, with_threads},
    options::{Piece, SHORT_FLAGS, option_value, pieces},
};
use crate::model::{NodeCommand, Parameters, Selection, shell_words};

/// Options that name nodes, or what names them.
const SELECT: [&str; 6] = ["--model", "--models", "--select", "--selector", "-m", "-s"];

fn refuse<T>(message: String, hint: &str) -> Result<T, Refusal> {
    Err(Refusal { message, hint: (!hint.is_empty()).then(|| hint.to_owned()) })
}

/// Whether a command builds something from scratch when it is told to.
fn takes_full_refresh(args: &[String]) -> bool {
    args.first().is_some_and(|command| matches!(command.as_str(), "build" | "run" | "seed"))
}

/// Whether a command takes a selection.
fn takes_selection(args: &[String]) -> bool {
    args.first().is_some_and(|command| {
        matches!(
            command.as_str(),
            "build" | "run" | "test" | "seed" | "snapshot" | "source" | "compile" | "docs"
        )
    })
}

fn takes_threads(args: &[String]) -> bool {
    args.first().is_some_and(|command| command != "deps")
}

/// The names of the parameters that some of these steps take.
pub fn parameters_of(steps: &[Vec<String>]) -> Vec<&'static str> {
    let some = |takes: fn(&[String]) -> bool| steps.iter().any(|step| takes(step));
    let selection = some(takes_selection);
    [
        ("full_refresh", some(takes_full_refresh)),
        ("vars", true),
        ("target", true),
        ("threads", some(takes_threads)),
        ("select", selection),
        ("exclude", selection),
    ]
    .into_iter()
    .filter_map(|(name, takes)| takes.then_some(name))
    .collect()
}

/// The steps with these parameters in place of what they say themselves. Each step gets what its command takes.
///
/// # Errors
///
/// Where a parameter fits no step, or what comes of it is nothing that dbt can be told.
pub fn with_parameters(steps: &[Vec<String>], parameters: &Parameters) -> Result<Vec<Vec<String>>, Refusal> {
    let takes = parameters_of(steps);
    let given = [
        ("full_refresh", parameters.full_refresh.is_some()),
        ("threads", parameters.threads.is_some()),
        ("select", !parameters.select.is_empty()),
        ("exclude", !parameters.exclude.is_empty()),
    ];
    for (name, is_given) in given {
        if is_given && !takes.contains(&name) {
            let lines: Vec<_> = steps.iter().map(|step| format!("`dbt {}`", shell_words(step))).collect();
            return refuse(
                format!("no step takes the parameter `{name}`: {}", lines.join(", ")),
                "leave it out",
            );
        }
    }
    if parameters.threads == Some(0) {
        return refuse("dbt cannot run with no thread".to_owned(), "give `threads` 1 or more");
    }
    for word in parameters.select.iter().chain(&parameters.exclude) {
        check_selector(word)?;
    }
    if let Some(target) = &parameters.target
        && (target.trim().is_empty() || target.starts_with('-'))
    {
        return refuse(format!("`{target}` is no name of a target"), "");
    }
    steps.iter().map(|step| with(step, parameters)).collect()
}

/// The selection that a command says, as far as it is one of nodes.
pub fn selection_of(args: &[String]) -> Selection {
    let command = args.first().and_then(|word| NodeCommand::ALL.into_iter().find(|c| c.as_str() == word));
    let mut selection = Selection { command: command.unwrap_or_default(), ..Selection::default() };
    for piece in pieces(args) {
        let to = match piece.name {
            "--exclude" => &mut selection.exclude,
            name if SELECT.contains(&name) && name != "--selector" => &mut selection.select,
            _ => continue,
        };
        let rest = match (piece.value, piece.words) {
            (Some(value), [first, rest @ ..]) if rest.first().map(String::as_str) != Some(value) => {
                debug_assert!(first.ends_with(value));
                to.push(value.to_owned());
                rest
            }
            (_, [_, rest @ ..]) => rest,
            (_, []) => &[],
        };
        to.extend_from_slice(rest);
    }
    selection
}

/// Whether a command builds from scratch.
pub fn is_full_refresh(args: &[String]) -> bool {
    pieces(args).iter().any(|piece| {
        piece.name == "--full-refresh" || piece.flags.contains('f') || short_flags(piece.name).contains('f')
    })
}

/// Refuses what dbt would take for something else than a selection.
///
/// # Errors
///
/// Says what it would be taken for.
pub fn check_selector(word: &str) -> Result<(), Refusal> {
    if word.starts_with('-') {
        return refuse(format!("`{word}` is not a selection: dbt would take it for an option"), "");
    }
    if word.trim().is_empty() {
        return refuse("a selection is empty".to_owned(), "leave it out");
    }
    Ok(())
}

fn with(step: &[String], parameters: &Parameters) -> Result<Vec<String>, Refusal> {
    let selects = takes_selection(step);
    let (select, exclude) =
        (selects && !parameters.select.is_empty(), selects && !parameters.exclude.is_empty());
    if exclude && !select && option_value(step, &["--selector"]).is_some() {
        return refuse(
            format!("`dbt {}` selects by a selector, with which dbt leaves nothing out", shell_words(step)),
            "give `select` as well",
        );
    }
    let drops = |piece: &Piece<'_>| {
        select && SELECT.contains(&piece.name)
            || exclude && piece.name == "--exclude"
            || parameters.target.is_some() && matches!(piece.name, "--target" | "-t")
            || !parameters.vars.is_empty() && piece.name == "--vars"
            || parameters.full_refresh == Some(false) && piece.name == "--full-refresh"
    };
    let mut words = Vec::with_capacity(step.len() + 4);
    let mut is_fresh = false;
    for piece in pieces(step) {
        let flags = if piece.flags.is_empty() { short_flags(piece.name) } else { piece.flags };
        is_fresh |= piece.name == "--full-refresh" || flags.contains('f');
        let flags: String = match parameters.full_refresh {
            Some(false) => flags.chars().filter(|flag| *flag != 'f').collect(),
            _ => flags.to_owned(),
        };
        let is_flags_only = piece.flags.is_empty() && !short_flags(piece.name).is_empty();
        if is_flags_only || !piece.flags.is_empty() {
            // Written apart, each part can be kept or dropped by itself.
            if !flags.is_empty() {
                words.push(format!("-{flags}"));
            }
        }
        if is_flags_only || drops(&piece) {
            continue;
        }
        match piece.words.split_first() {
            Some((first, rest)) if !piece.flags.is_empty() => {
                words.push(format!("-{}", &first[1 + piece.flags.len()..]));
                words.extend_from_slice(rest);
            }
            _ => words.extend_from_slice(piece.words),
        }
    }
    if select {
        words.push("--select".to_owned());
        words.extend(parameters.select.iter().cloned());
    }
    if exclude {
        words.push("--exclude".to_owned());
        words.extend(parameters.exclude.iter().cloned());
    }
    if parameters.full_refresh == Some(true) && takes_full_refresh(step) && !is_fresh {
        words.push("--full-refresh".to_owned());
    }
    if let (false, Some(own)) = (parameters.vars.is_empty(), option_value(step, &["--vars"])) {
        words.extend(["--vars".to_owned(), merged(step, own, parameters)?]);
    }
    if let Some(threads) = parameters.threads.filter(|_| takes_threads(step)) {
        words = with_threads(&words, threads);
    }
    check_arguments(&words)?;
    if words.iter().any(|word| word.len() > MAX_ARGUMENT)
        || words.iter().map(|word| word.len() + 1).sum::<usize>() > MAX_LINE
    {
        return refuse("that is more than a command line can hold".to_owned(), "select less at a time");
    }
    Ok(words)
}

/// The flags of a short option that has no value; empty for anything else.
fn short_flags(name: &str) -> &str {
    match name.strip_prefix('-') {
        Some(flags) if !flags.is_empty() && flags.chars().all(|c| SHORT_FLAGS.contains(&c)) => flags,
        _ => "",
    }
}

/// A step's own variables with the launch's in place of those of the same name.
fn merged(step: &[String], own: &str, parameters: &Parameters) -> Result<String, Refusal> {
    let Ok(mut vars) = serde_json::from_str::<Map<String, Value>>(own) else {
        return refuse(
            format!("`dbt {}` has variables that are not written as JSON", shell_words(step)),
            "write them as JSON in the step, or in `vars` of the job",
        );
    };
    vars.extend(parameters.vars.clone());
    Ok(Value::Object(vars).to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn with(step: &str, parameters: &Parameters) -> String {
        with_parameters(&[words(step)], parameters).unwrap()[0].join(" ")
    }

    fn refused(steps: &[&str], parameters: &Parameters) -> String {
        let steps: Vec<_> = steps.iter().map(|step| words(step)).collect();
        with_parameters(&steps, parameters).unwrap_err().message
    }

    #[test]
    fn a_full_refresh_is_asked_for_once_or_not_at_all() {
        let fresh = Parameters { full_refresh: Some(true), ..Parameters::default() };
        let not = Parameters { full_refresh: Some(false), ..Parameters::default() };
        for (step, on, off) in [
            ("build --select a b", "build --select a b --full-refresh", "build --select a b"),
            ("run --full-refresh -x", "run --full-refresh -x", "run -x"),
            ("build -f", "build -f", "build"),
            ("build -xfsa b -t prod", "build -xf -sa b -t prod", "build -x -sa b -t prod"),
            ("build -fs a", "build -f -s a", "build -s a"),
        ] {
            assert_eq!((with(step, &fresh).as_str(), with(step, &not).as_str()), (on, off), "{step}");
        }
    }

    #[test]
    fn a_selection_takes_the_place_of_the_steps_own() {
        let select = Parameters { select: words("x+ tag:y"), ..Parameters::default() };
        let exclude = Parameters { exclude: words("z"), ..Parameters::default() };
        for (step, selected, excluded) in [
            ("build", "build --select x+ tag:y", "build --exclude z"),
            ("build -sa b --exclude c", "build --exclude c --select x+ tag:y", "build -sa b --exclude z"),
            ("run -m=a --models b c -x", "run -x --select x+ tag:y", "run -m=a --models b c -x --exclude z"),
            ("docs generate", "docs generate --select x+ tag:y", "docs generate --exclude z"),
        ] {
            assert_eq!((with(step, &select).as_str(), with(step, &exclude).as_str()), (selected, excluded));
        }
        assert_eq!(with("build --selector nightly", &select), "build --select x+ tag:y");
        assert!(refused(&["build --selector nightly"], &exclude).contains("selects by a selector"));
    }

    #[test]
    fn target_and_variables_of_a_step_make_way() {
        let parameters = Parameters {
            target: Some("prod".to_owned()),
            vars: [("b".to_owned(), 2.into())].into(),
            threads: Some(3),
            ..Parameters::default()
        };
        assert_eq!(with("build -tdev --threads 8", &parameters), "build --threads 3");
        assert_eq!(
            with("build --vars {\"a\":1,\"b\":1} --target=dev", &parameters),
            "build --vars {\"a\":1,\"b\":2} --threads 3"
        );
        assert!(refused(&["build --vars a:1"], &parameters).contains("not written as JSON"));
        assert_eq!(with("deps", &Parameters { threads: None, ..parameters }), "deps");
    }

    #[test]
    fn a_parameter_that_fits_some_step_is_for_that_one_alone() {
        let fresh = Parameters { full_refresh: Some(true), ..Parameters::default() };
        let steps = [words("source freshness"), words("seed"), words("test")];
        let steps = with_parameters(&steps, &fresh).unwrap();
        assert_eq!(steps.map_lines(), ["source freshness", "seed --full-refresh", "test"]);
        assert_eq!(
            refused(&["test", "source freshness"], &fresh),
            "no step takes the parameter `full_refresh`: `dbt test`, `dbt source freshness`"
        );
        let select = Parameters { select: words("a"), ..Parameters::default() };
        assert!(refused(&["run-operation grant"], &select).contains("`select`"));
        assert_eq!(parameters_of(&[words("deps")]), ["vars", "target"]);
    }

    #[test]
    fn what_dbt_would_take_for_something_else_is_refused() {
        let select = |word: &str| Parameters { select: vec![word.to_owned()], ..Parameters::default() };
        assert!(refused(&["build"], &select("--full-refresh")).contains("take it for an option"));
        assert!(refused(&["build"], &select(" ")).contains("empty"));
        assert!(refused(&["build"], &select("a\0b")).contains("NUL"));
        assert!(refused(&["build"], &select(&"x".repeat(200_000))).contains("more than a command line"));
        let target = Parameters { target: Some("--debug".to_owned()), ..Parameters::default() };
        assert!(refused(&["build"], &target).contains("no name of a target"));
        let threads = Parameters { threads: Some(0), ..Parameters::default() };
        assert!(refused(&["build"], &threads).contains("no thread"));
    }

    #[test]
    fn a_command_line_says_what_it_selects() {
        let said = |step: &str| {
            let selection = selection_of(&words(step));
            (selection.command, selection.select.join(" "), selection.exclude.join(" "))
        };
        let expected =
            |command, select: &str, exclude: &str| (command, select.to_owned(), exclude.to_owned());
        assert_eq!(
            said("build --select a b+ --exclude c --full-refresh"),
            expected(NodeCommand::Build, "a b+", "c")
        );
        assert_eq!(said("test -sa b -m c"), expected(NodeCommand::Test, "a b c", ""));
        assert_eq!(said("run --select=a --threads 4"), expected(NodeCommand::Run, "a", ""));
        assert!(is_full_refresh(&words("run -xf")) && is_full_refresh(&words("build -fs a")));
        assert!(!is_full_refresh(&words("run -x --select full-refresh")));
    }

    trait Lines {
        fn map_lines(&self) -> Vec<String>;
    }

    impl Lines for Vec<Vec<String>> {
        fn map_lines(&self) -> Vec<String> {
            self.iter().map(|words| words.join(" ")).collect()
        }
    }
}
