//! Selections: dbt's own syntax goes to dbt as it is; `key:ASSET/KEY` becomes the selector of the node that has that key.

use super::{Context, Failure};
use crate::{config, model::Project};

/// The method that selects by asset key.
const KEY: &str = "key:";

/// A selection for dbt's `--select`. Opens the project only where a key has to be looked up.
pub fn to_dbt(
    context: &Context,
    project: &config::Project,
    selection: &[String],
) -> Result<Vec<String>, Failure> {
    if let Some(odd) = selection.iter().find(|part| part.starts_with('-')) {
        return Err(Failure::new(format!("`{odd}` is not a selection: dbt would take it for an option")));
    }
    if !selection.iter().any(|part| part.contains(KEY)) {
        return Ok(selection.to_vec());
    }
    let opened = context.look(project)?;
    selection.iter().map(|part| by_key(&opened.project, part)).collect()
}

/// Replaces the keys in one selection, which may be an intersection: `key:a/b+,tag:x`.
fn by_key(project: &Project, selection: &str) -> Result<String, Failure> {
    let parts = selection.split(',').map(|part| {
        let Some((before, key, after)) = split(part) else { return Ok(part.to_owned()) };
        let mut assets = project.assets_by_key(key);
        let asset = assets.next().ok_or_else(|| {
            let failure = Failure::new(format!("no asset of project `{}` has the key `{key}`", project.name));
            match project.nearest_key(key) {
                Some(near) => failure.hint(format!("did you mean `key:{near}`?")),
                None => failure.hint("`tidegate assets` lists them"),
            }
        })?;
        if let Some(other) = assets.next() {
            let (one, other) = (&asset.unique_id, &other.unique_id);
            return Err(Failure::new(format!("the key `{key}` is that of {one} and of {other}"))
                .hint("select one of them in dbt's own syntax"));
        }
        Ok(format!("{before}{}{after}", asset.selector()))
    });
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join(","))
}

/// dbt's graph operators before and behind a `key:`: `2+`, `+`, `@`, and `+`, `+3`.
fn split(part: &str) -> Option<(&str, &str, &str)> {
    let at = part.find(KEY)?;
    let (before, rest) = (&part[..at], &part[at + KEY.len()..]);
    let operator = before.strip_suffix('+').map(|n| n.chars().all(|c| c.is_ascii_digit()));
    if !(before.is_empty() || before == "@" || operator == Some(true)) {
        return None;
    }
    let digits = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let end = digits.strip_suffix('+').map_or(rest.len(), str::len);
    Some((before, &rest[..end], &rest[end..]))
}

/// The unique ids that keys select without dbt; none where the selection needs dbt.
pub fn natively(project: &Project, selection: &str) -> Option<Result<Vec<String>, Failure>> {
    let (before, key, after) = split(selection)?;
    if selection.contains(',') || before == "@" {
        return None;
    }
    let steps = |operator: &str| -> Option<Option<u32>> {
        let digits = operator.trim_matches('+');
        (!operator.is_empty()).then(|| digits.parse().ok())
    };
    let found = by_key(project, &format!("key:{key}")).map(|_| {
        let mut ids = std::collections::BTreeSet::new();
        for asset in project.assets_by_key(key) {
            ids.insert(asset.unique_id.clone());
            if let Some(steps) = steps(before) {
                ids.extend(project.reach(&asset.unique_id, true, steps));
            }
            if let Some(steps) = steps(after) {
                ids.extend(project.reach(&asset.unique_id, false, steps));
            }
        }
        ids.into_iter().collect()
    });
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn operators_stay_with_the_key() {
        assert_eq!(split("key:source/raw/orders+"), Some(("", "source/raw/orders", "+")));
        assert_eq!(split("2+key:a/b+3"), Some(("2+", "a/b", "+3")));
        assert_eq!(split("@key:a"), Some(("@", "a", "")));
        assert_eq!(split("+key:v2"), Some(("+", "v2", "")));
        assert_eq!(split("tag:x"), None);
        assert_eq!(split("config.key:x"), None);
    }
}
