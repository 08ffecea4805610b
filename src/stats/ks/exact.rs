//! Counting lattice paths: every order of the pooled values is a path from (0, 0) to (n, m), all equally likely.
//!
//! Works on the share of paths that have touched the outside, which is a sum of positive terms, so that small p-values
//! keep their relative accuracy.

/// The greatest common divisor.
pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// P(D >= steps / lcm(n, m)).
pub(super) fn two_sided(n: u64, m: u64, steps: u64) -> f64 {
    if n == m {
        return equal_sizes(n, steps);
    }
    outside(n.min(m), n.max(m), steps, true)
}

/// The same where both samples have n values, by reflecting paths at both sides (Gnedenko and Korolyuk 1951): twice the
/// alternating sum of the binomials of 2n over n + steps, n + 2·steps, … over that of 2n over n. At most n steps.
fn equal_sizes(n: u64, steps: u64) -> f64 {
    if steps == 0 {
        return 1.0;
    }
    let (mut sum, mut ratio, mut sign, mut at) = (0.0, 1.0, 1.0, 0);
    while at + steps <= n {
        ratio *= (at..at + steps).map(|j| (n - j) as f64 / (n + j + 1) as f64).product::<f64>();
        sum += sign * ratio;
        (sign, at) = (-sign, at + steps);
    }
    2.0 * sum
}

/// The same of the gaps of one sign.
pub(super) fn one_sided(n: u64, m: u64, steps: u64) -> f64 {
    if n == m {
        // By reflection: the binomial of 2n over n + steps, over that of 2n over n.
        return (0..steps).map(|j| (n - j) as f64 / (n + j + 1) as f64).product();
    }
    outside(n.min(m), n.max(m), steps, false)
}

/// The share of paths to (m, n) with a point (i, j) where i·n - j·m, over their divisor, reaches `steps`; on
/// `both` sides or on one.
fn outside(m: u64, n: u64, steps: u64, both: bool) -> f64 {
    if steps == 0 {
        return 1.0;
    }
    let divisor = gcd(m, n);
    let (m_step, n_step, steps) = ((m / divisor) as i64, (n / divisor) as i64, steps as i64);
    // share[j]: of the paths to (i, j), how many have been outside. Points that are outside hold 1.
    let mut share = vec![1.0; n as usize + 1];
    let mut last_low = 0;
    for i in 0..=m as i64 {
        let low = ((i * n_step - steps).div_euclid(m_step) + 1).max(0) as usize;
        let high = if both { (i * n_step + steps - 1).div_euclid(m_step).min(n as i64) } else { n as i64 } as usize;
        share[last_low..low.min(n as usize + 1)].fill(1.0);
        last_low = low;
        let (column, mut below) = (i as f64, 1.0);
        for (place, share) in share.iter_mut().enumerate().take(high + 1).skip(low) {
            let j = place as f64;
            below = if place == 0 && i == 0 { 0.0 } else { (*share * column + below * j) / (column + j) };
            *share = below;
        }
    }
    share[n as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All paths, one by one.
    fn counted(m: u64, n: u64, steps: u64, both: bool) -> f64 {
        let (mut out, mut all) = (0u32, 0u32);
        let divisor = gcd(m, n);
        for path in 0u32..1 << (m + n) {
            if u64::from(path.count_ones()) != m {
                continue;
            }
            let (mut i, mut j, mut touched) = (0i64, 0i64, false);
            for step in 0..m + n {
                if path >> step & 1 == 1 {
                    i += 1;
                } else {
                    j += 1;
                }
                let gap = (i * n as i64 - j * m as i64) / divisor as i64;
                touched |= gap >= steps as i64 || both && -gap >= steps as i64;
            }
            all += 1;
            out += u32::from(touched);
        }
        f64::from(out) / f64::from(all)
    }

    #[test]
    fn equals_the_count_of_all_paths() {
        for (m, n) in [(1, 1), (2, 3), (4, 4), (3, 6), (5, 7)] {
            for steps in 1..=m * n / gcd(m, n) {
                let two = two_sided(m, n, steps);
                assert!((two - counted(m, n, steps, true)).abs() < 1e-14, "{m} {n} {steps}");
                let one = one_sided(m, n, steps);
                assert!((one - counted(m, n, steps, false)).abs() < 1e-14, "{m} {n} {steps} one");
            }
        }
    }
}
