//! What somebody may have meant who wrote a word that is not known.

/// The one of `known` that is nearest to `word`, if one is near: at most a third of its letters changed, cases ignored.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |known: &str| strsim::osa_distance(&word, &known.to_lowercase());
    let near = known.into_iter().map(|known| (distance(known), known));
    let (distance, known) = near.min_by_key(|(distance, _)| *distance)?;
    (distance * 3 <= known.chars().count().max(3)).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_words_are_suggested_and_far_ones_not() {
        let known = ["LIKE", "IN", "BETWEEN", "CONTAINS"];
        for (word, meant) in [("lik", "LIKE"), ("liek", "LIKE"), ("betwen", "BETWEEN"), ("contain", "CONTAINS")] {
            assert_eq!(nearest(word, known), Some(meant));
        }
        assert_eq!(nearest("matches", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
