//! Can a classifier tell two samples apart? A logistic one, fitted to one half of the rows and tried on the other.

use super::ab::mann_whitney;
use super::linear::{backward, cholesky, dot, forward};
use super::rows::{Real, Rows, same_dimension};
use super::{check, moments::RowMoments};
use crate::error::{Error, Result};
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// Newton's steps, at most; 5 to 8 are taken.
const MOST_STEPS: usize = 50;

/// A logistic model with an L2 penalty, over rows brought to mean 0 and deviation 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    mean: Vec<f64>,
    scale: Vec<f64>,
    weights: Vec<f64>,
    offset: f64,
}

impl Logistic {
    /// Fits to rows, of which `is_y` tells the label; `penalty` (1 by habit) times half the squared weights is added to
    /// the loss. Newton's method: about 8·(n·d²/2 + d³/6) multiplications.
    ///
    /// # Errors
    /// Labels of another number, labels of one kind only, or a penalty that is not above 0.
    pub fn fit<T: Real>(rows: Rows<'_, T>, is_y: &[bool], penalty: f64) -> Result<Logistic> {
        check::same_length("rows and labels", rows.len(), is_y.len())?;
        check::positive("the penalty", penalty)?;
        if is_y.iter().all(|&label| label == is_y[0]) {
            return Err(Error::invalid("all rows carry one label").mend("give rows of both"));
        }
        let (mean, scale) = standard(rows)?;
        let d = rows.dimension();
        let mut model = Logistic { mean, scale, weights: vec![0.0; d], offset: 0.0 };
        let design: Vec<Vec<f64>> = rows.iter().map(|row| model.standardised(row)).collect();
        let mut loss = model.loss(&design, is_y, penalty);
        for _ in 0..MOST_STEPS {
            let step = model.newton(&design, is_y, penalty)?;
            let (next, next_loss) = model.shortened(&step, &design, is_y, penalty, loss);
            let gained = loss - next_loss;
            (model, loss) = (next, next_loss);
            if gained <= 1e-10 * (1.0 + loss) {
                break;
            }
        }
        Ok(model)
    }

    /// The logarithm of the odds that a row carries the second label.
    ///
    /// # Errors
    /// A row of another dimension.
    pub fn ln_odds<T: Real>(&self, row: &[T]) -> Result<f64> {
        check::same_length("the row and the model", row.len(), self.weights.len())?;
        Ok(self.offset + dot(&self.weights, &self.standardised(row)))
    }

    fn standardised<T: Real>(&self, row: &[T]) -> Vec<f64> {
        row.iter().zip(self.mean.iter().zip(&self.scale)).map(|(&v, (mean, scale))| (v.into() - mean) * scale).collect()
    }

    fn loss(&self, design: &[Vec<f64>], is_y: &[bool], penalty: f64) -> f64 {
        let of = |(row, &label): (&Vec<f64>, &bool)| {
            let odds = self.offset + dot(&self.weights, row);
            // ln(1 + exp(-z)), without overflow.
            let z = if label { odds } else { -odds };
            (-z).max(0.0) + (-z.abs()).exp().ln_1p()
        };
        design.iter().zip(is_y).map(of).sum::<f64>() + 0.5 * penalty * dot(&self.weights, &self.weights)
    }

    /// Newton's step; its last number is that of the offset.
    fn newton(&self, design: &[Vec<f64>], is_y: &[bool], penalty: f64) -> Result<Vec<f64>> {
        let d = self.weights.len();
        let size = d + 1;
        let (mut hessian, mut slope) = (vec![0.0; size * size], vec![0.0; size]);
        for (row, &label) in design.iter().zip(is_y) {
            let chance = 1.0 / (1.0 + (-(self.offset + dot(&self.weights, row))).exp());
            let (miss, weight) = (chance - f64::from(u8::from(label)), (chance * (1.0 - chance)).max(1e-12));
            let part = |place: usize| if place == d { 1.0 } else { row[place] };
            for i in 0..size {
                let factor = weight * part(i);
                slope[i] += miss * part(i);
                hessian[i * size..i * size + i.min(d)]
                    .iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += factor * value);
                hessian[i * size + i] += factor * part(i);
            }
        }
        for i in 0..d {
            slope[i] += penalty * self.weights[i];
            hessian[i * size + i] += penalty;
        }
        let factor = cholesky(&hessian, size).ok_or_else(|| Error::internal("a penalised model is not convex"))?;
        Ok(backward(&factor, &forward(&factor, &slope)))
    }

    /// The model after a step, halved until the loss no longer grows.
    fn shortened(&self, step: &[f64], design: &[Vec<f64>], is_y: &[bool], penalty: f64, loss: f64) -> (Logistic, f64) {
        let mut length = 1.0;
        while length > 1e-6 {
            let mut next = self.clone();
            next.weights.iter_mut().zip(step).for_each(|(weight, part)| *weight -= length * part);
            next.offset -= length * step[step.len() - 1];
            let next_loss = next.loss(design, is_y, penalty);
            if next_loss <= loss {
                return (next, next_loss);
            }
            length *= 0.5;
        }
        (self.clone(), loss)
    }
}

/// The mean and one over the deviation of every dimension; 0 for a constant one, which then counts for nothing.
fn standard<T: Real>(rows: Rows<'_, T>) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut moments = RowMoments::new(rows.dimension());
    for row in rows.iter() {
        moments.add(row)?;
    }
    let scale = moments.population_variance().into_iter().map(|v| if v > 0.0 { 1.0 / v.sqrt() } else { 0.0 }).collect();
    Ok((moments.mean().to_vec(), scale))
}

/// How well two samples can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// The chance that a held-out row of y scores above one of x: 0.5 where nothing can be told.
    pub auc: f64,
    /// The one-sided p of that, by Mann and Whitney: held-out rows are independent of the fit, so it is valid.
    pub p: f64,
}

/// Fits a logistic model to a random half of both samples and tries it on the other. `penalty` as in [`Logistic::fit`].
///
/// # Errors
/// Dimensions that differ, or fewer than four rows in a sample.
pub fn domain<T: Real>(x: Rows<'_, T>, y: Rows<'_, T>, penalty: f64, seed: u64) -> Result<Domain> {
    same_dimension(&x, &y)?;
    check::at_least("the first sample", x.len(), 4)?;
    check::at_least("the second sample", y.len(), 4)?;
    let mut random = Random::seeded(seed, 0);
    let (x_fit, x_held) = halves(x.len(), &mut random);
    let (y_fit, y_held) = halves(y.len(), &mut random);
    let fitted: Vec<T> = x_fit
        .iter()
        .flat_map(|&place| x.row(place))
        .chain(y_fit.iter().flat_map(|&place| y.row(place)))
        .copied()
        .collect();
    let labels: Vec<bool> = (0..x_fit.len() + y_fit.len()).map(|place| place >= x_fit.len()).collect();
    let model = Logistic::fit(Rows::new(&fitted, x.dimension())?, &labels, penalty)?;
    let score = |rows: Rows<'_, T>, places: &[usize]| -> Result<Vec<f64>> {
        places.iter().map(|&place| model.ln_odds(rows.row(place))).collect()
    };
    let test = mann_whitney(&score(x, &x_held)?, &score(y, &y_held)?)?;
    Ok(Domain { auc: test.share, p: test.p_b_larger })
}

fn halves(len: usize, random: &mut Random) -> (Vec<usize>, Vec<usize>) {
    let mut places: Vec<usize> = (0..len).collect();
    for place in 0..len / 2 {
        places.swap(place, place + random.below((len - place) as u64) as usize);
    }
    let held = places.split_off(len / 2);
    (places, held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_far_apart_are_told_apart() {
        let x: Vec<f64> = (0..80).map(|k| f64::from(k * 7 % 11)).collect();
        let y: Vec<f64> = x.iter().map(|value| value + 100.0).collect();
        let (x, y) = (Rows::new(&x, 2).unwrap(), Rows::new(&y, 2).unwrap());
        let apart = domain(x, y, 1.0, 0).unwrap();
        assert!(apart.auc == 1.0 && apart.p < 1e-6);
        assert!(domain(x, x, 1.0, 0).unwrap().p > 0.01);
        assert!(Logistic::fit(x, &[true; 40], 1.0).is_err());
        // A constant dimension and equal rows are no obstacle.
        let same = vec![3.0f32; 16];
        assert_eq!(domain(Rows::new(&same, 2).unwrap(), Rows::new(&same, 2).unwrap(), 1.0, 0).unwrap().auc, 0.5);
    }
}
