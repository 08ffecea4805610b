//! Single columns that are drawn: numbers of the standard normal law, and categories of which some are frequent.

use driftline::Random;
use driftline::mlops::drift::Column;
use driftline::stats::normal;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Numbers,
    Categories,
}

/// Of the categories, in tenths.
const SHARES: [f64; 6] = [0.35, 0.25, 0.15, 0.12, 0.08, 0.05];

impl Kind {
    pub(super) fn title(self) -> &'static str {
        match self {
            Kind::Numbers => "one column of numbers",
            Kind::Categories => "one column of categories",
        }
    }

    /// The shifts in the order of the table; the first is none.
    pub(super) fn shifts(self) -> &'static [&'static str] {
        match self {
            Kind::Numbers => &["no drift", "mean +.25 sd", "mean +.5 sd", "spread x 1.3", "5 % at +4 sd"],
            Kind::Categories => &["no drift", "first -10 points", "first -20 points", "5 % unseen", "last two swapped"],
        }
    }

    /// So many rows under the shift of this place.
    pub(super) fn draw(self, shift: usize, rows: usize, random: &mut Random) -> Column {
        match self {
            Kind::Numbers => Column::numbers((0..rows).map(|_| number(shift, random)).collect::<Vec<_>>()),
            Kind::Categories => Column::categories((0..rows).map(|_| category(shift, random)).collect::<Vec<_>>()),
        }
    }
}

fn number(shift: usize, random: &mut Random) -> f64 {
    let outlier = random.unit() < 0.05;
    let number = normal::draw(random);
    match shift {
        1 => number + 0.25,
        2 => number + 0.5,
        3 => number * 1.3,
        4 if outlier => number + 4.0,
        _ => number,
    }
}

fn category(shift: usize, random: &mut Random) -> String {
    let mut shares = SHARES;
    match shift {
        1 | 2 => {
            let moved = 0.1 * shift as f64;
            shares[0] -= moved;
            shares[1] += moved;
        }
        3 if random.unit() < 0.05 => return "unseen".into(),
        4 => shares.swap(2, 5),
        _ => {}
    }
    let mut left = random.unit();
    let found = shares.iter().position(|share| {
        left -= share;
        left < 0.0
    });
    format!("c{}", found.unwrap_or(SHARES.len() - 1))
}
