//! Intervals for rates and their difference.

use super::Arm;
use crate::error::Result;
use crate::stats::{check, special};

/// Wilson's interval for a rate (1927): close to its `confidence` even for few trials.
pub fn wilson(arm: Arm, confidence: f64) -> Result<(f64, f64)> {
    arm.check()?;
    check::open_unit("the confidence", confidence)?;
    let (z, n, p) = (special::normal_quantile_upper((1.0 - confidence) / 2.0), arm.trials as f64, arm.rate());
    let scale = 1.0 + z * z / n;
    let (middle, half) = (p + z * z / (2.0 * n), z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt());
    let low = if arm.successes == 0 { 0.0 } else { (middle - half) / scale };
    let high = if arm.successes == arm.trials { 1.0 } else { (middle + half) / scale };
    Ok((low, high))
}

/// Clopper and Pearson's exact interval for a rate (1934): never below its confidence, often above.
pub fn clopper_pearson(arm: Arm, confidence: f64) -> Result<(f64, f64)> {
    arm.check()?;
    check::open_unit("the confidence", confidence)?;
    let (tail, hits, misses) = ((1.0 - confidence) / 2.0, arm.successes as f64, (arm.trials - arm.successes) as f64);
    let low = if arm.successes == 0 { 0.0 } else { special::beta_quantile(tail, hits, misses + 1.0) };
    let high = if arm.successes == arm.trials { 1.0 } else { special::beta_quantile(1.0 - tail, hits + 1.0, misses) };
    Ok((low, high))
}

/// Newcombe's hybrid interval for the difference of rates, made of two of Wilson (1998, method 10).
pub fn newcombe(a: Arm, b: Arm, confidence: f64) -> Result<(f64, f64)> {
    let (a_low, a_high) = wilson(a, confidence)?;
    let (b_low, b_high) = wilson(b, confidence)?;
    let (a, b) = (a.rate(), b.rate());
    let difference = b - a;
    Ok((difference - (b - b_low).hypot(a_high - a), difference + (b_high - b).hypot(a - a_low)))
}
