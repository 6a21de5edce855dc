//! A dbt command line, taken apart into its options.
//!
//! Owns which options take values. What an option means is for others to know.

/// Short options without a value: they may stand together, as in `-xq`.
pub(super) const SHORT_FLAGS: [char; 6] = ['d', 'f', 'h', 'q', 'x', 'V'];

/// Options that take one value, among those that stand before or after what a command selects.
const VALUED: [&str; 34] = [
    "--args",
    "--defer-state",
    "--deprecated-state",
    "--event-time-end",
    "--event-time-start",
    "--host",
    "--indirect-selection",
    "--inline",
    "--inline-direct",
    "--limit",
    "--log-file-max-bytes",
    "--log-format",
    "--log-format-file",
    "--log-level",
    "--log-level-file",
    "--log-path",
    "--output",
    "--partial-parse-file-path",
    "--printer-width",
    "--profile",
    "--profiles-dir",
    "--project-dir",
    "--record-timing-info",
    "--sample",
    "--selector",
    "--state",
    "--target",
    "--target-path",
    "--threads",
    "--vars",
    "--warn-error-options",
    "-o",
    "-r",
    "-t",
];

/// Options that take every word up to the next option.
const GREEDY: [&str; 11] = [
    "--exclude",
    "--exclude-resource-type",
    "--exclude-resource-types",
    "--model",
    "--models",
    "--output-keys",
    "--resource-type",
    "--resource-types",
    "--select",
    "-m",
    "-s",
];

/// A piece of a command line: an option with its values, or a word by itself.
pub(super) struct Piece<'a> {
    /// The option's name; empty for a word by itself.
    pub name: &'a str,
    /// Its first value.
    pub value: Option<&'a str>,
    /// The words that it takes.
    pub words: &'a [String],
    /// The flags that stand before it in one short option, as in `-xs`.
    pub flags: &'a str,
}

/// Takes a command line apart as click does for dbt.
pub(super) fn pieces(args: &[String]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(word) = args.get(at) {
        let (name, flags, attached) = option_of(word);
        let next = args.get(at + 1).map(String::as_str);
        let takes = VALUED.contains(&name) || GREEDY.contains(&name);
        let value = attached.or(if takes { next } else { None });
        let mut end = at + 1 + usize::from(takes && attached.is_none() && next.is_some());
        if GREEDY.contains(&name) {
            end += args[end..].iter().take_while(|word| !word.starts_with('-')).count();
        }
        pieces.push(Piece { name, value, words: &args[at..end], flags });
        at = end;
    }
    pieces
}

/// The option that a word is, the flags before it in the same word, and the value that is part of the word.
fn option_of(word: &str) -> (&str, &str, Option<&str>) {
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((name, value)) => (name, "", Some(value)),
            None => (word, "", None),
        };
    }
    let Some(shorts) = word.strip_prefix('-').filter(|shorts| !shorts.is_empty()) else {
        return ("", "", None);
    };
    let flags = shorts.find(|c| !SHORT_FLAGS.contains(&c)).unwrap_or(shorts.len());
    let (flags, rest) = shorts.split_at(flags);
    // The name has to borrow from somewhere that has the dash.
    let name = ["-m", "-o", "-r", "-s", "-t"].into_iter().find(|name| rest.starts_with(&name[1..]));
    match name {
        Some(name) => (name, flags, Some(&rest[1..]).filter(|value| !value.is_empty())),
        None => (word, "", None),
    }
}

/// The value of an option that takes one, by any of its names; of two the last counts.
pub(super) fn option_value<'a>(args: &'a [String], names: &[&str]) -> Option<&'a str> {
    pieces(args).iter().rev().find(|piece| names.contains(&piece.name)).and_then(|piece| piece.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_value_of_an_option_is_found_however_it_is_written() {
        for step in [
            "build --target prod",
            "build --target=prod",
            "build -t prod",
            "build -tprod",
            "build -xt prod",
            "build --select -t a --target dev --target prod",
            "build --vars --target -t prod",
        ] {
            assert_eq!(option_value(&words(step), &["--target", "-t"]), Some("prod"), "{step}");
        }
        for step in ["build", "build --target", "build --select target", "build --vars --target"] {
            assert_eq!(option_value(&words(step), &["--target", "-t"]), None, "{step}");
        }
    }
}
