//! What every function asks of its input, said once.

use crate::error::{Error, Result};

/// Refuses an empty slice and one that holds `NaN` or an infinity; `what` names it in the message.
pub(super) fn sample(what: &str, values: &[f64]) -> Result<()> {
    at_least(what, values.len(), 1)?;
    finite(what, values)
}

/// Refuses `NaN` and infinities.
pub(super) fn finite(what: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(place) => Err(Error::invalid(format!("{what} holds {} at place {place}", values[place]))
            .mend("leave out what is not a finite number, and count it apart")),
    }
}

/// Refuses fewer than `least` values.
pub(super) fn at_least(what: &str, count: usize, least: usize) -> Result<()> {
    if count >= least {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} has {count} values where at least {least} are needed"))
        .mend("collect more first"))
}

/// Refuses more than `most` values, where room or time would grow beyond bounds.
pub(super) fn at_most(what: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} has {count} values where at most {most} are taken")).mend("draw a sample first"))
}

/// Refuses two lists that should go together and do not.
pub(super) fn same_length(what: &str, left: usize, right: usize) -> Result<()> {
    if left == right {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} differ in length: {left} and {right}")).mend("give one for each of the other"))
}

/// Refuses a number outside `low ..= high`.
pub(super) fn within(what: &str, value: f64, low: f64, high: f64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} is {value}")).mend(format!("take one from {low} to {high}")))
}

/// Refuses a number that is not strictly between 0 and 1.
pub(super) fn open_unit(what: &str, value: f64) -> Result<()> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} is {value}")).mend("take one above 0 and below 1"))
}

/// Refuses a number that is not above 0 and finite.
pub(super) fn positive(what: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} is {value}")).mend("take a finite number above 0"))
}

/// Refuses weights that are negative, not finite, or all 0; returns their sum.
pub(super) fn weights(what: &str, weights: &[f64]) -> Result<f64> {
    sample(what, weights)?;
    if let Some(place) = weights.iter().position(|&weight| weight < 0.0) {
        return Err(
            Error::invalid(format!("{what} holds {} at place {place}", weights[place])).mend("take weights from 0")
        );
    }
    let sum: f64 = weights.iter().sum();
    positive(&format!("the sum of {what}"), sum)?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_place() {
        let error = sample("the reference", &[1.0, f64::NAN]).unwrap_err();
        assert!(error.to_string().starts_with("the reference holds NaN at place 1"), "{error}");
        assert!(sample("x", &[]).is_err());
        assert!(weights("w", &[0.0, 0.0]).is_err());
        assert!(weights("w", &[1.0, -1.0]).is_err());
    }
}
