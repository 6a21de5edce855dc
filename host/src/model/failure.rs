//! How an error text of several lines is said in one.

/// The line of dbt's error text that says most: the first that is not only a heading such as `Runtime Error in model …`.
pub fn first_line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(heading) = lines.next() else { return "" };
    let is_heading = heading == "Encountered an error:"
        || ["Runtime Error", "Database Error", "Compilation Error", "Parsing Error"]
            .iter()
            .any(|start| heading.starts_with(start));
    if !is_heading {
        return heading;
    }
    let rest = text.trim_start().split_once('\n').map_or("", |(_, rest)| rest);
    match first_line(rest) {
        "" => heading,
        line => line,
    }
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
        assert_eq!(first_line("Database Error"), "Database Error");
        assert_eq!(first_line("\n"), "");
    }
}
