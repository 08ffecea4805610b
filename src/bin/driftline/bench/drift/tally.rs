//! Counting how often drift was reported, and judging that.

use serde::Serialize;

/// The level at which every detector is asked.
pub(super) const LEVEL: f64 = 0.05;
/// The level of windows that are judged again and again.
pub(super) const STRICT: f64 = 0.01;

/// What one detector said of one draw.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    name: &'static str,
    kind: DetectorKind,
    /// None where it does not apply.
    p: Option<f64>,
}

/// Who a row of the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DetectorKind {
    /// Part of this crate: its p-value is held against the level.
    Shipped,
    /// A rule of others, made anew.
    Rule,
}

impl Outcome {
    pub(super) fn shipped(name: &'static str, p: Option<f64>) -> Outcome {
        Outcome { name, kind: DetectorKind::Shipped, p }
    }

    /// A rule by a p-value that may not hold.
    pub(super) fn rule(name: &'static str, p: Option<f64>) -> Outcome {
        Outcome { name, kind: DetectorKind::Rule, p }
    }

    /// A rule that says yes or no.
    pub(super) fn fixed(name: &'static str, drift: bool) -> Outcome {
        Outcome::rule(name, Some(if drift { 0.0 } else { 1.0 }))
    }
}

/// Counts of a study that goes on.
#[derive(Debug)]
pub(super) struct Tally {
    columns: usize,
    rows: Vec<Counts>,
}

#[derive(Debug)]
struct Counts {
    name: &'static str,
    kind: DetectorKind,
    /// For each column how often the detector applied, reported drift, and did so at the strict level.
    cells: Vec<[u64; 3]>,
}

impl Tally {
    pub(super) fn new(columns: usize) -> Tally {
        Tally { columns, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, column: usize, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let place = self.rows.iter().position(|row| row.name == outcome.name).unwrap_or_else(|| {
                let (name, kind) = (outcome.name, outcome.kind);
                self.rows.push(Counts { name, kind, cells: vec![[0; 3]; self.columns] });
                self.rows.len() - 1
            });
            if let Some(p) = outcome.p {
                let reported = [true, p <= LEVEL, p <= STRICT].map(u64::from);
                self.rows[place].cells[column].iter_mut().zip(reported).for_each(|(count, one)| *count += one);
            }
        }
    }

    /// The study, counted; its first column is that without drift.
    pub(super) fn study(self, title: String, columns: Vec<&'static str>, draws: u64) -> Study {
        let band = band(draws, LEVEL);
        let detector = |counts: Counts| {
            let rate = |cell: &[u64; 3]| (cell[0] == draws).then(|| cell[1] as f64 / draws as f64);
            let rates: Vec<Option<f64>> = counts.cells.iter().map(rate).collect();
            let level = match rates[0] {
                None => Level::Unknown,
                Some(rate) if rate > band.1 => Level::Above,
                Some(rate) if rate < band.0 => Level::Below,
                Some(_) => Level::Kept,
            };
            let strict = rates[0].map(|_| counts.cells[0][2] as f64 / draws as f64);
            Detector { name: counts.name, kind: counts.kind, rates, strict, level, mean_rank: None, behind: None }
        };
        let detectors = self.rows.into_iter().map(detector).collect();
        let mut study = Study { title, columns, draws, band, strict_band: band_of_strict(draws), detectors };
        study.rank();
        study
    }
}

/// Whether a detector reports as seldom as it should where nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// Inside the band.
    Kept,
    /// More often than the band allows.
    Above,
    /// Less often: it could find more.
    Below,
    /// It did not apply.
    Unknown,
}

/// A table: how often every detector reported drift in each column.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Study {
    pub(super) title: String,
    pub(super) columns: Vec<&'static str>,
    pub(super) draws: u64,
    /// Where the rate without drift lies in 95 of 100 such tables, for a detector that keeps its level exactly.
    pub(super) band: (f64, f64),
    pub(super) strict_band: (f64, f64),
    pub(super) detectors: Vec<Detector>,
}

/// A row of a table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Detector {
    pub(super) name: &'static str,
    pub(super) kind: DetectorKind,
    /// For each column; none where it does not apply.
    pub(super) rates: Vec<Option<f64>>,
    /// Without drift, at the strict level.
    pub(super) strict: Option<f64>,
    pub(super) level: Level,
    /// Its rank by power, averaged over the columns with drift, among what is shipped and does not exceed its level.
    pub(super) mean_rank: Option<f64>,
    /// The column in which it is furthest behind the best of these, and by how much.
    pub(super) behind: Option<(&'static str, f64)>,
}

impl Detector {
    fn competes(&self) -> bool {
        let calibrated = matches!(self.level, Level::Kept | Level::Below);
        self.kind == DetectorKind::Shipped && calibrated && self.rates.iter().all(Option::is_some)
    }
}

impl Study {
    /// Gives ranks and gaps to those that compete.
    fn rank(&mut self) {
        let competing: Vec<usize> = (0..self.detectors.len()).filter(|&at| self.detectors[at].competes()).collect();
        let rate = |study: &Study, at: usize, column: usize| study.detectors[at].rates[column].unwrap_or(0.0);
        for &at in &competing {
            let (mut ranks, mut behind) = (0.0, (self.columns[0], 0.0));
            for column in 1..self.columns.len() {
                let own = rate(self, at, column);
                let others = || competing.iter().map(|&other| rate(self, other, column));
                let above = others().filter(|other| *other > own).count();
                let level = others().filter(|other| *other == own).count();
                // Those that are equal share the mean of their ranks.
                ranks += above as f64 + (level as f64 + 1.0) / 2.0;
                let gap = others().fold(0.0, f64::max) - own;
                if gap > behind.1 {
                    behind = (self.columns[column], gap);
                }
            }
            self.detectors[at].mean_rank = Some(ranks / (self.columns.len() - 1) as f64);
            self.detectors[at].behind = Some(behind);
        }
    }
}

fn band_of_strict(draws: u64) -> (f64, f64) {
    band(draws, STRICT)
}

/// The central 95 % of a binomial law, as rates.
fn band(draws: u64, level: f64) -> (f64, f64) {
    let n = draws as f64;
    let (mut chance, mut sum) = ((1.0 - level).powf(n), 0.0);
    let (mut low, mut high) = (None, None);
    for count in 0..=draws {
        sum += chance;
        let rate = count as f64 / n;
        low = low.or((sum >= 0.025).then_some(rate));
        high = high.or((sum >= 0.975).then_some(rate));
        chance *= (n - count as f64) / (count as f64 + 1.0) * level / (1.0 - level);
    }
    (low.unwrap_or(0.0), high.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_is_that_of_the_binomial_law() {
        // scipy.stats.binom.ppf([.025, .975], 500, .05) is [16, 35], of 40 [0, 5].
        assert_eq!(band(500, 0.05), (0.032, 0.07));
        assert_eq!(band(40, 0.05), (0.0, 0.125));
    }

    #[test]
    fn rates_ranks_and_gaps_are_counted() {
        let mut tally = Tally::new(3);
        for draw in 0..100 {
            let p = |share: u32| Some(if draw < share { 0.005 } else { 0.5 });
            let of = |column: usize, a: u32, b: u32| {
                let unstable = if column == 0 { p(60) } else { p(100) };
                let partial = (draw % 2 == 0).then_some(0.5);
                let shipped = [("a", p(a)), ("b", p(b)), ("unstable", unstable), ("partial", partial)];
                let mut all: Vec<Outcome> = shipped.map(|(name, p)| Outcome::shipped(name, p)).into();
                all.push(Outcome::fixed("rule", true));
                all
            };
            for (column, (a, b)) in [(5, 0), (80, 30), (40, 40)].into_iter().enumerate() {
                tally.add(column, &of(column, a, b));
            }
        }
        let study = tally.study("it".into(), vec!["none", "much", "some"], 100);
        let told = |name: &str| study.detectors.iter().find(|it| it.name == name).unwrap();
        assert_eq!((told("a").rates[1], told("a").strict, told("a").level), (Some(0.8), Some(0.05), Level::Kept));
        assert_eq!((told("a").mean_rank, told("b").mean_rank), (Some(1.25), Some(1.75)));
        assert_eq!((told("a").behind, told("b").behind), (Some(("none", 0.0)), Some(("much", 0.5))));
        assert_eq!((told("b").level, told("unstable").level), (Level::Below, Level::Above));
        for other in ["unstable", "partial", "rule"] {
            assert_eq!(told(other).mean_rank, None, "{other}");
        }
    }
}
