//! Two means, and two samples by rank.

use crate::error::{Error, Result};
use crate::stats::moments::Moments;
use crate::stats::{check, ranks, special};

/// Tests of two means at a fixed end.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Means {
    /// Mean of A.
    pub mean_a: f64,
    /// Mean of B.
    pub mean_b: f64,
    /// Sample variance of A.
    pub variance_a: f64,
    /// Sample variance of B.
    pub variance_b: f64,
    /// Welch's t, which allows variances that differ.
    pub welch_t: f64,
    /// Its degrees of freedom.
    pub welch_dof: f64,
    /// Its two-sided p.
    pub welch_p: f64,
    /// Welch's interval for the difference at 95 %.
    pub welch_ci95: (f64, f64),
    /// Student's t, by the pooled variance.
    pub student_t: f64,
    /// Its two-sided p.
    pub student_p: f64,
    /// The difference over the pooled standard deviation.
    pub cohens_d: f64,
    /// Cohen's d without its bias for few values.
    pub hedges_g: f64,
}

/// Compares two means. Costs one pass.
///
/// # Errors
/// Fewer than two values in an arm, one that is not finite, or two arms that are both constant.
pub fn means(a: &[f64], b: &[f64]) -> Result<Means> {
    check::at_least("arm A", a.len(), 2)?;
    check::at_least("arm B", b.len(), 2)?;
    let (a, b) = (Moments::of(a)?, Moments::of(b)?);
    let (n, m) = (a.count() as f64, b.count() as f64);
    let (va, vb) = (a.sample_variance().unwrap_or(0.0), b.sample_variance().unwrap_or(0.0));
    if va + vb == 0.0 {
        return Err(Error::invalid("both arms are constant").mend("compare their values; there is nothing to test"));
    }
    let difference = b.mean() - a.mean();
    let (ea, eb) = (va / n, vb / m);
    let error = (ea + eb).sqrt();
    let welch_dof = (ea + eb).powi(2) / (ea * ea / (n - 1.0) + eb * eb / (m - 1.0));
    let (welch_t, free) = (difference / error, n + m - 2.0);
    let deviation = (((n - 1.0) * va + (m - 1.0) * vb) / free).sqrt();
    let student_t = difference / (deviation * (1.0 / n + 1.0 / m).sqrt());
    let half = special::student_quantile_upper(0.025, welch_dof) * error;
    let cohens_d = difference / deviation;
    let ln_gammas = special::ln_gamma(free / 2.0) - special::ln_gamma((free - 1.0) / 2.0);
    Ok(Means {
        mean_a: a.mean(),
        mean_b: b.mean(),
        variance_a: va,
        variance_b: vb,
        welch_t,
        welch_dof,
        welch_p: special::student_two_sided(welch_t, welch_dof),
        welch_ci95: (difference - half, difference + half),
        student_t,
        student_p: special::student_two_sided(student_t, free),
        cohens_d,
        hedges_g: cohens_d * ln_gammas.exp() / (free / 2.0).sqrt(),
    })
}

/// The test of two samples by rank.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MannWhitney {
    /// Pairs in which b is larger, ties by half.
    pub u: f64,
    /// [`MannWhitney::u`] over all pairs: the chance that b is larger, and the area under the curve of a score.
    pub share: f64,
    /// Two-sided p by the normal law, corrected for ties and steps; trust it from about 10 values a side. 1 where all
    /// values are equal.
    pub p: f64,
    /// The same, one-sided: small where b is larger.
    pub p_b_larger: f64,
}

/// Tests whether values of `b` tend to be larger or smaller than those of `a`. Costs a sort.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Result<MannWhitney> {
    check::sample("arm A", a)?;
    check::sample("arm B", b)?;
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (ranks, ties) = ranks::ranks(&[a, b].concat());
    let u = ranks[a.len()..].iter().sum::<f64>() - m * (m + 1.0) / 2.0;
    let (all, middle) = (n + m, n * m / 2.0);
    let deviation = (n * m / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)))).sqrt();
    let z = |gap: f64| if deviation > 0.0 { (gap - 0.5) / deviation } else { f64::NEG_INFINITY };
    Ok(MannWhitney {
        u,
        share: u / (n * m),
        p: (2.0 * special::normal_tail(z((u - middle).abs()))).min(1.0),
        p_b_larger: special::normal_tail(z(u - middle)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_turn_around() {
        let (a, b) = ([1.0, 2.0, 3.0, 3.0], [2.0, 4.0, 5.0]);
        let (there, back) = (mann_whitney(&a, &b).unwrap(), mann_whitney(&b, &a).unwrap());
        assert_eq!((there.u + back.u, there.p), (12.0, back.p));
        assert_eq!(mann_whitney(&[1.0; 3], &[1.0; 4]).unwrap().p, 1.0);
        assert!(means(&[1.0, 1.0], &[1.0, 1.0]).is_err() && means(&[1.0], &a).is_err());
    }
}
