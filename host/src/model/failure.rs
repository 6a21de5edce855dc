//! How an error text of several lines is said in one.

/// The line of an error text that says most: the first that is not only a heading, such as `Runtime Error in model …`.
pub fn first_line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    let heading = lines.peek().copied().unwrap_or_default();
    lines.find(|line| !is_heading(line)).unwrap_or(heading)
}

/// Whether a line only says where, or that something failed which the next lines tell. dbt's guess at what is wrong with a unit
/// test stands above what the database said, and is mostly wrong.
fn is_heading(line: &str) -> bool {
    let is_kind = |kind: &str| {
        let rest = line.strip_prefix(kind).and_then(|rest| rest.strip_prefix(" Error"));
        rest.is_some_and(|rest| matches!(rest, "" | ":") || rest.starts_with(" in "))
    };
    line == "Encountered an error:"
        || line.ends_with(" failed:")
        || line.starts_with("An error occurred during execution of unit test")
        || ["Runtime", "Database", "Compilation", "Parsing", "Dependency", "Validation"]
            .into_iter()
            .any(is_kind)
}

#[cfg(test)]
mod tests {
    use super::first_line;

    #[test]
    fn headings_are_passed_over() {
        assert_eq!(
            first_line("Runtime Error in model a (a.sql)\n  Binder Error: no column\nLINE 2"),
            "Binder Error: no column"
        );
        assert_eq!(
            first_line("Encountered an error:\nCompilation Error\n  Model 'm' is odd"),
            "Model 'm' is odd"
        );
        assert_eq!(
            first_line("Got 3 results, configured to fail if != 0"),
            "Got 3 results, configured to fail if != 0"
        );
        assert_eq!(
            first_line(
                "Runtime Error in unit_test a (a.yml)\n  An error occurred during execution of unit test 'a'. There may be \
                 an error in the unit test definition: check the data types.\n   Runtime Error\n    Catalog Error: no table"
            ),
            "Catalog Error: no table"
        );
        assert_eq!(
            first_line("`dbt parse` failed:\nRuntime Error\n  Syntax error near line 2"),
            "Syntax error near line 2"
        );
        assert_eq!(first_line("Database Error: disk full\nsorry"), "Database Error: disk full");
        assert_eq!(first_line("Database Error"), "Database Error");
        assert_eq!(first_line("\n"), "");
    }
}
