//! How many users an experiment takes, and for how long.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::mlops::experiments::config::{self, DEFAULT_LEVEL, DEFAULT_SPLIT};
use crate::stats::ab;
use crate::stats::sequential::Msprt;

/// How often a difference is found that is there, unless told.
const POWER: f64 = 0.8;
/// Days in which every day of a week is met.
const WEEK_DAYS: u64 = 7;

/// How many users an experiment takes to find a difference, worked out before it is begun. Built step by step; unless told, a
/// difference that is there shall be found with a chance of 0.8, and the rest is as in [`ExperimentConfig`].
///
/// ```
/// use driftline::mlops::PowerCalculator;
///
/// let size = PowerCalculator::of_rate(0.85, 0.03).split(0.5).users_per_day(500.0).size()?;
/// assert_eq!((size.users_a, size.users_b), (2031, 2031));
/// assert_eq!(size.days, Some(9));
/// # Ok::<(), driftline::Error>(())
/// ```
///
/// [`ExperimentConfig`]: super::ExperimentConfig
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerCalculator {
    base: f64,
    lift: f64,
    deviation: Option<f64>,
    split: f64,
    level: f64,
    power: f64,
    users_per_day: Option<f64>,
}

/// How many users an experiment takes, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExperimentSize {
    /// Users of A, where one looks once, at the planned end.
    pub users_a: u64,
    /// Users of B, where one looks once, at the planned end.
    pub users_b: u64,
    /// Users of both, where one looks as often as one likes and stops at the first sure difference: at most so many, for
    /// the same chance.
    pub users_always_valid: u64,
    /// Days until the planned end; none unless it is known how many users come in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
    /// Days that [`ExperimentSize::users_always_valid`] take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_always_valid: Option<u64>,
    /// What is to be minded.
    pub warnings: Vec<String>,
}

impl PowerCalculator {
    /// For a metric of zeros and ones: the rate of A, and how much higher or lower that of B is to be.
    pub fn of_rate(base: f64, lift: f64) -> PowerCalculator {
        let (split, level) = (DEFAULT_SPLIT, DEFAULT_LEVEL);
        PowerCalculator { base, lift, deviation: None, split, level, power: POWER, users_per_day: None }
    }

    /// For a metric of any numbers: how much higher or lower the mean of B is to be, and the standard deviation of users.
    pub fn of_mean(lift: f64, deviation: f64) -> PowerCalculator {
        PowerCalculator { deviation: Some(deviation), ..PowerCalculator::of_rate(0.0, lift) }
    }

    /// The share of users who get B; 0.3.
    #[must_use]
    pub fn split(self, share: f64) -> PowerCalculator {
        PowerCalculator { split: share, ..self }
    }

    /// How often a difference is found where there is none, at most; 0.05.
    #[must_use]
    pub fn level(self, level: f64) -> PowerCalculator {
        PowerCalculator { level, ..self }
    }

    /// The chance to find a difference that is there; 0.8.
    #[must_use]
    pub fn power(self, power: f64) -> PowerCalculator {
        PowerCalculator { power, ..self }
    }

    /// How many new users come in a day.
    #[must_use]
    pub fn users_per_day(self, users: f64) -> PowerCalculator {
        PowerCalculator { users_per_day: Some(users), ..self }
    }

    /// Works it out. Fails with `Invalid`, naming it, when a rate, a share, the level or the power is out of its bounds, or
    /// when there is no difference to be found.
    pub fn size(&self) -> Result<ExperimentSize> {
        config::check_share("the split", self.split)?;
        let ratio = self.split / (1.0 - self.split);
        let (effect, spreads) = match self.deviation {
            Some(deviation) if deviation.is_finite() && deviation > 0.0 => {
                (self.lift / deviation, [deviation * deviation; 2])
            }
            Some(deviation) => {
                return Err(Error::invalid(format!("the standard deviation is {deviation}")).mend("give one above 0"));
            }
            None => {
                let rates = [self.base, self.base + self.lift];
                (ab::cohens_h(rates[0], rates[1])?, rates.map(|rate| rate * (1.0 - rate)))
            }
        };
        let users_a = ab::sample_size_of(effect, self.level, self.power, ratio)?;
        let spread = spreads[0] / (1.0 - self.split) + spreads[1] / self.split;
        let always_valid = Msprt::users_to_find(self.lift, spread, self.level, self.power)?;
        let whole = |users: f64| users.ceil() as u64;
        let mut size = ExperimentSize {
            users_a: whole(users_a),
            users_b: whole(users_a * ratio),
            users_always_valid: whole(always_valid),
            days: None,
            days_always_valid: None,
            warnings: Vec::new(),
        };
        self.spread_over_days(&mut size)?;
        Ok(size)
    }

    fn spread_over_days(&self, size: &mut ExperimentSize) -> Result<()> {
        let Some(daily) = self.users_per_day else { return Ok(()) };
        if !(daily.is_finite() && daily > 0.0) {
            return Err(Error::invalid(format!("{daily} users a day are none")).mend("give a number above 0"));
        }
        let days = |users: u64| (users as f64 / daily).ceil() as u64;
        let until_end = days(size.users_a.saturating_add(size.users_b));
        (size.days, size.days_always_valid) = (Some(until_end), Some(days(size.users_always_valid)));
        if until_end < WEEK_DAYS {
            size.warnings.push(config::LESS_THAN_A_WEEK.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_difference_and_an_uneven_split_take_more_users() {
        let users = |calculator: PowerCalculator| {
            let size = calculator.size().unwrap();
            assert!(size.users_always_valid > size.users_a + size.users_b, "looking often has its price");
            size.users_a + size.users_b
        };
        let wide = users(PowerCalculator::of_rate(0.85, 0.03).split(0.5));
        assert!(users(PowerCalculator::of_rate(0.85, 0.03)) > wide);
        assert!(users(PowerCalculator::of_rate(0.85, 0.015).split(0.5)) > 3 * wide);
        assert!(users(PowerCalculator::of_rate(0.85, 0.03).split(0.5).level(0.01)) > wide);
        assert!(users(PowerCalculator::of_rate(0.85, 0.03).split(0.5).power(0.9)) > wide);
        // 16 / d^2 an arm is the rule of thumb.
        let means = users(PowerCalculator::of_mean(-2.0, 10.0).split(0.5));
        assert!((780..=800).contains(&means), "{means}");
    }

    #[test]
    fn the_side_with_the_smaller_share_gets_its_fewer_users() {
        let users = |split| {
            let size = PowerCalculator::of_rate(0.85, 0.03).split(split).size().unwrap();
            (size.users_a, size.users_b)
        };
        // Of A (z(0.975) + z(0.8))^2 (1 + a / b) / h^2.
        assert_eq!(users(0.5), (2_031, 2_031));
        assert_eq!(users(0.2), (5_078, 1_270));
        assert_eq!(users(0.8), (1_270, 5_078));
    }

    #[test]
    fn looking_often_takes_fewer_where_those_who_vary_are_many_and_more_at_a_stricter_level() {
        // Users of A vary by 0.25, those of B by 0.09.
        let rate = || PowerCalculator::of_rate(0.5, 0.4);
        let users = |calculator: PowerCalculator| calculator.size().unwrap().users_always_valid;
        assert!(users(rate().split(0.3)) < users(rate().split(0.7)));
        assert!(users(rate().level(0.01)) > users(rate().level(0.05)));
    }

    #[test]
    fn less_than_a_week_is_warned_of() {
        // 4,062 users.
        let days = |daily| PowerCalculator::of_rate(0.85, 0.03).split(0.5).users_per_day(daily).size().unwrap();
        let warned = days(677.0);
        assert_eq!((warned.days, warned.warnings.len()), (Some(6), 1));
        let whole = days(676.0);
        assert_eq!((whole.days, whole.warnings.len()), (Some(7), 0), "a whole week is enough");
        assert_eq!(PowerCalculator::of_rate(0.85, 0.03).size().unwrap().days, None);
    }

    #[test]
    fn what_cannot_be_worked_out_is_refused() {
        let of = PowerCalculator::of_rate;
        let bad = [
            of(0.85, 0.0),
            of(0.85, 0.2),
            of(-0.1, 0.2),
            of(f64::NAN, 0.1),
            of(0.5, f64::INFINITY),
            of(0.0, 1.0),
            of(0.5, 0.1).split(1.0),
            of(0.5, 0.1).level(0.0),
            of(0.5, 0.1).power(1.0),
            of(0.5, 0.1).power(0.01),
            of(0.5, 0.1).users_per_day(0.0),
            // More users than anybody has.
            of(0.5, 1e-8),
            of(0.5, 0.01).split(1.0 - f64::EPSILON),
            PowerCalculator::of_mean(1.0, 0.0),
            PowerCalculator::of_mean(1.0, f64::NAN),
            PowerCalculator::of_mean(0.0, 1.0),
        ];
        for calculator in bad {
            assert_eq!(calculator.size().unwrap_err().kind(), crate::error::ErrorKind::Invalid, "{calculator:?}");
        }
    }
}
