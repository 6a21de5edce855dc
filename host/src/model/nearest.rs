//! The known name that someone meant who mistyped it.

/// The name that looks most like a mistyped one, where one is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|k| (strsim::damerau_levenshtein(&name.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(distance, k)| *distance <= 1 + name.len().min(k.len()) / 4)
        .min()
        .map(|(_, k)| k)
}
