//! Rows as points of a space where near means near by the squared Euclidean distance, whatever the metric.
//!
//! A row is scaled to length 1 under cosine; under the inner product one number is added to it, so that all rows have one
//! length and the nearest point is the one with the largest product (Bachrach et al., "Speeding Up the Xbox Recommender
//! System", RecSys 2014, section 3). Positions in which rows hardly differ are left out, the mean is taken away, and what
//! is left is rotated at random, so that no position stands out and codes of few bits serve them all alike.

use super::usual::usual;
use crate::bytes::{Reader, Truncated, Write};
use crate::quantization::rotation::Rotation;
use crate::vector::matrix::Rows;
use crate::vector::metric::Metric;

/// The share of the rows' variance that positions left out may have.
const IGNORED_VARIANCE: f64 = 0.002;

/// Points have a multiple of this many numbers; leaving out less than makes one fewer would gain nothing.
const UNIT: usize = 64;

/// So many rows tell the mean and the variance of all.
const SAMPLE: usize = 20_000;

/// How rows and queries become points.
#[derive(Debug)]
pub(crate) struct Space {
    metric: Metric,
    /// What of a row is kept.
    kept: Positions,
    /// What is left out; the rows have about the mean there, a query may not.
    ignored: Positions,
    /// Under the inner product: the length that all rows are lifted to.
    radius: f32,
    seed: u64,
    rotation: Rotation,
}

/// Positions of a vector, ascending, and the mean of the rows at each. The one behind the last number is that of the lift.
#[derive(Debug, Default, PartialEq)]
struct Positions {
    places: Vec<u32>,
    means: Vec<f32>,
}

impl Space {
    /// The space for rows of numbers under a metric other than L1.
    pub(crate) fn fit(rows: &Rows<'_>, metric: Metric, dimension: usize, seed: u64) -> Space {
        let count = rows.len();
        let radius = match metric {
            Metric::Dot => (0..count).map(|row| length(number_row(rows, row))).fold(0.0, f32::max),
            _ => 0.0,
        };
        let mut moments = Moments::new(dimension + usize::from(metric == Metric::Dot));
        let sample = (0..count).step_by(count.div_ceil(SAMPLE).max(1));
        if metric == Metric::L2 {
            let sample: Vec<_> = sample.map(|row| number_row(rows, row)).collect();
            usual(&sample).into_iter().for_each(|row| moments.add(row));
        } else {
            let mut lifted = Vec::new();
            for row in sample {
                lift(number_row(rows, row), metric, inverse_norm(rows, row), radius, &mut lifted);
                moments.add(&lifted);
            }
        }
        let (kept, ignored) = moments.split();
        let rotation = Rotation::new(kept.places.len(), seed);
        Space { metric, kept, ignored, radius, seed, rotation }
    }

    /// Numbers of a point: a multiple of 64.
    pub(crate) fn padded(&self) -> usize {
        self.rotation.padded()
    }

    /// The point of a row. `lifted` is memory to work in.
    #[inline(always)]
    pub(crate) fn place(&self, row: &[f32], inverse_norm: f32, lifted: &mut Vec<f32>, point: &mut [f32]) {
        lift(row, self.metric, inverse_norm, self.radius, lifted);
        self.project(lifted, point);
    }

    /// The point of a query and what all distances from it have in common.
    #[inline(always)]
    pub(crate) fn place_query(&self, query: &[f32], lifted: &mut Vec<f32>, point: &mut [f32]) -> f32 {
        let factor = self.query_factor(query);
        lifted.clear();
        lifted.extend(query.iter().map(|value| value * factor));
        if self.metric == Metric::Dot {
            lifted.push(0.0);
        }
        let apart = self.ignored.apart(lifted);
        self.project(lifted, point);
        apart
    }

    /// The squared distance of points that a distance of the metric comes to.
    pub(crate) fn squared(&self, distance: f32, query: &[f32]) -> f32 {
        match self.metric {
            Metric::Cosine => 2.0 * distance,
            Metric::Dot => 2.0 * (self.radius * self.radius + self.query_factor(query) * distance),
            _ => distance,
        }
    }

    /// What a query is multiplied with: its scale does not change who is near, and this one makes it as long as the rows.
    fn query_factor(&self, query: &[f32]) -> f32 {
        let wanted = match self.metric {
            Metric::Cosine => 1.0,
            Metric::Dot => self.radius,
            _ => return 1.0,
        };
        let factor = wanted / length(query);
        if factor.is_finite() { factor } else { 1.0 }
    }

    /// Keeps, centres and rotates. The lifted vector is not needed any more.
    #[inline(always)]
    fn project(&self, lifted: &mut Vec<f32>, point: &mut [f32]) {
        for (at, (place, mean)) in self.kept.places.iter().zip(&self.kept.means).enumerate() {
            // Places ascend, so what is read was not overwritten yet.
            lifted[at] = lifted[*place as usize] - mean;
        }
        lifted.truncate(self.kept.places.len());
        self.rotation.apply(lifted, point);
        // A point so far out that numbers do not reach there stands in the middle, as near to one row as to another.
        if !point.iter().fold(true, |finite, value| finite & value.is_finite()) {
            point.fill(0.0);
        }
    }

    /// The stored form (frozen).
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u64(self.seed);
        bytes.put_u32(self.radius.to_bits());
        for positions in [&self.kept, &self.ignored] {
            bytes.put_u32(positions.places.len() as u32);
            for (place, mean) in positions.places.iter().zip(&positions.means) {
                bytes.put_u32(*place);
                bytes.put_u32(mean.to_bits());
            }
        }
        bytes
    }

    /// Reads what `encode` wrote; `None` when it describes no space for such rows.
    pub(crate) fn decode(bytes: &[u8], metric: Metric, dimension: usize) -> Option<Space> {
        let mut reader = Reader::new(bytes);
        let read = |reader: &mut Reader<'_>| -> Result<(u64, f32, Positions, Positions), Truncated> {
            let (seed, radius) = (reader.u64()?, f32::from_bits(reader.u32()?));
            Ok((seed, radius, Positions::decode(reader)?, Positions::decode(reader)?))
        };
        let (seed, radius, kept, ignored) = read(&mut reader).ok()?;
        let width = dimension + usize::from(metric == Metric::Dot);
        let sound = kept.fits(width) && ignored.fits(width) && kept.places.len() + ignored.places.len() == width;
        let sound = sound && reader.is_empty() && !kept.places.is_empty() && radius.is_finite() && radius >= 0.0;
        let rotation = Rotation::new(kept.places.len(), seed);
        sound.then_some(Space { metric, kept, ignored, radius, seed, rotation })
    }

    /// The length that all rows are lifted to; 0 but under the inner product.
    pub(crate) fn radius(&self) -> f32 {
        self.radius
    }
}

impl Positions {
    /// How far a vector is from the means there, squared.
    #[inline(always)]
    fn apart(&self, lifted: &[f32]) -> f32 {
        // In lanes that do not wait for one another.
        let mut sums = [0f32; LANES];
        for (places, means) in self.places.chunks(LANES).zip(self.means.chunks(LANES)) {
            for ((sum, place), mean) in sums.iter_mut().zip(places).zip(means) {
                *sum += (lifted[*place as usize] - mean).powi(2);
            }
        }
        sums.iter().sum()
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Positions, Truncated> {
        let mut positions = Positions::default();
        for _ in 0..reader.count(8)? {
            positions.places.push(reader.u32()?);
            positions.means.push(f32::from_bits(reader.u32()?));
        }
        Ok(positions)
    }

    /// Whether all are positions of a vector of `width` numbers, in order.
    fn fits(&self, width: usize) -> bool {
        let ascending = self.places.is_sorted_by(|a, b| a < b);
        ascending
            && self.places.last().is_none_or(|last| (*last as usize) < width)
            && self.means.iter().all(|m| m.is_finite())
    }
}

/// Sums that are added up side by side.
const LANES: usize = 8;

/// Means and variances of each position, while rows arrive.
struct Moments {
    count: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(width: usize) -> Moments {
        Moments { count: 0.0, sums: vec![0.0; width], squares: vec![0.0; width] }
    }

    fn add(&mut self, row: &[f32]) {
        self.count += 1.0;
        for ((sum, square), value) in self.sums.iter_mut().zip(&mut self.squares).zip(row) {
            *sum += f64::from(*value);
            *square += f64::from(*value) * f64::from(*value);
        }
    }

    /// What to keep and what to leave out: as many positions of the least variance as are too many for a multiple of 64.
    fn split(&self) -> (Positions, Positions) {
        let count = self.count.max(1.0);
        let variance = |place: usize| (self.squares[place] / count - (self.sums[place] / count).powi(2)).max(0.0);
        let mut places: Vec<usize> = (0..self.sums.len()).collect();
        places.sort_by(|a, b| variance(*b).total_cmp(&variance(*a)));
        let mut left = IGNORED_VARIANCE * places.iter().map(|place| variance(*place)).sum::<f64>();
        let mut needed = places.len();
        while needed > 1 && left >= variance(places[needed - 1]) {
            needed -= 1;
            left -= variance(places[needed]);
        }
        let kept = needed.next_multiple_of(UNIT).min(places.len());
        let of = |places: &[usize]| {
            let mut places = places.to_vec();
            places.sort_unstable();
            let means = places.iter().map(|place| (self.sums[*place] / count) as f32).collect();
            Positions { places: places.into_iter().map(|place| place as u32).collect(), means }
        };
        (of(&places[..kept]), of(&places[kept..]))
    }
}

/// A row as it is before it is centred.
#[inline(always)]
fn lift(row: &[f32], metric: Metric, inverse_norm: f32, radius: f32, lifted: &mut Vec<f32>) {
    let factor = if metric == Metric::Cosine { inverse_norm } else { 1.0 };
    lifted.clear();
    lifted.extend(row.iter().map(|value| value * factor));
    if metric == Metric::Dot {
        let length = length(row);
        lifted.push((radius * radius - length * length).max(0.0).sqrt());
    }
}

/// The length, summed so that no square of an `f32` overflows.
fn length(row: &[f32]) -> f32 {
    crate::vector::magnitude(row)
}

fn number_row<'a>(rows: &Rows<'a>, row: usize) -> &'a [f32] {
    match *rows {
        Rows::F32 { values, dimension, .. } => &values[row * dimension..][..dimension],
        Rows::Bits { .. } => &[],
    }
}

fn inverse_norm(rows: &Rows<'_>, row: usize) -> f32 {
    match rows {
        Rows::F32 { inverse_norms: Some(norms), .. } => norms[row],
        _ => crate::vector::inverse_norm(number_row(rows, row)),
    }
}
