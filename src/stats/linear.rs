//! The little linear algebra that statistics needs, on matrices row by row, up to some hundred rows and columns.

use super::check;
use crate::error::Result;

/// Sweeps until rotations stop; Jacobi's methods take 6 to 10.
const MOST_SWEEPS: usize = 60;

/// Eigenvalues, rising, and the vectors that belong to them, one row each.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// The eigenvalues, rising.
    pub values: Vec<f64>,
    /// One row of `n` numbers per value, each of length 1.
    pub vectors: Vec<f64>,
}

/// Eigenvalues and vectors of a symmetric matrix of `n` by `n`, by Jacobi's rotations (Golub and Van Loan, 8.5).
///
/// Reads the upper triangle. Costs about 50·n³ steps: 0.3 s for n = 200.
///
/// # Errors
/// A matrix that is not n by n, or not finite.
pub fn symmetric_eigen(matrix: &[f64], n: usize) -> Result<Eigen> {
    check::sample("the matrix", matrix)?;
    check::same_length("the matrix and the square of its side", matrix.len(), n * n)?;
    let mut a = matrix.to_vec();
    (0..n).for_each(|i| (0..i).for_each(|j| a[i * n + j] = a[j * n + i]));
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    for _ in 0..MOST_SWEEPS {
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                turned |= turn(&mut a, &mut vectors, n, p, q);
            }
        }
        if !turned {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[i * n + i].total_cmp(&a[j * n + j]));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    let vectors = order.iter().flat_map(|&i| vectors[i * n..(i + 1) * n].to_vec()).collect();
    Ok(Eigen { values, vectors })
}

/// Turns the plane of `p` and `q` so that their entry vanishes; false where it is nothing already.
fn turn(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) -> bool {
    let (app, aqq, apq) = (a[p * n + p], a[q * n + q], a[p * n + q]);
    if apq.abs() <= f64::EPSILON * 0.25 * (app.abs() * aqq.abs()).sqrt() || apq.abs() < f64::MIN_POSITIVE {
        return false;
    }
    let (c, s) = rotation((aqq - app) / (2.0 * apq));
    for k in 0..n {
        let (kp, kq) = (a[k * n + p], a[k * n + q]);
        (a[k * n + p], a[k * n + q]) = (c * kp - s * kq, s * kp + c * kq);
    }
    turn_rows(a, n, p, q, (c, s));
    turn_rows(vectors, n, p, q, (c, s));
    (a[p * n + q], a[q * n + p]) = (0.0, 0.0);
    true
}

/// The cosine and sine of the smaller angle whose cotangent, doubled, is twice `theta`.
fn rotation(theta: f64) -> (f64, f64) {
    let sign = if theta < 0.0 { -1.0 } else { 1.0 };
    let tangent = sign / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    (cosine, tangent * cosine)
}

fn turn_rows(matrix: &mut [f64], width: usize, p: usize, q: usize, (c, s): (f64, f64)) {
    let (head, tail) = matrix.split_at_mut(q * width);
    for (x, y) in head[p * width..(p + 1) * width].iter_mut().zip(&mut tail[..width]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// A matrix as the sum of its singular parts, the largest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Svd {
    /// Singular values, falling; as many as the shorter side has.
    pub values: Vec<f64>,
    /// One row per value: its direction among the rows of the matrix, of length 1, or 0 where the value is 0.
    pub left: Vec<f64>,
    /// One row per value: its direction among the columns, of length 1, or 0 where the value is 0.
    pub right: Vec<f64>,
}

/// Singular values and vectors of a matrix, by one-sided Jacobi (Golub and Van Loan, 8.6.3).
///
/// Small values keep their relative accuracy. Costs about 30·m·n² steps, n the shorter side.
///
/// # Errors
/// A matrix that is not rows by columns, or not finite.
pub fn svd(matrix: &[f64], rows: usize, columns: usize) -> Result<Svd> {
    check::sample("the matrix", matrix)?;
    check::same_length("the matrix and the product of its sides", matrix.len(), rows * columns)?;
    let wide = columns > rows;
    // Lines are the vectors that are made orthogonal: the shorter side's.
    let (lines, length) = if wide { (rows, columns) } else { (columns, rows) };
    let mut a = if wide { matrix.to_vec() } else { transposed(matrix, rows, columns) };
    let mut turns = vec![0.0; lines * lines];
    (0..lines).for_each(|i| turns[i * lines + i] = 1.0);
    for _ in 0..MOST_SWEEPS {
        let mut turned = false;
        for p in 0..lines {
            for q in p + 1..lines {
                turned |= orthogonalise(&mut a, &mut turns, (lines, length), p, q);
            }
        }
        if !turned {
            break;
        }
    }
    let norm = |i: usize| dot(&a[i * length..(i + 1) * length], &a[i * length..(i + 1) * length]).sqrt();
    let mut order: Vec<(usize, f64)> = (0..lines).map(|i| (i, norm(i))).collect();
    order.sort_by(|x, y| y.1.total_cmp(&x.1));
    let values: Vec<f64> = order.iter().map(|part| part.1).collect();
    let scaled = |&(i, norm): &(usize, f64)| {
        let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        a[i * length..(i + 1) * length].iter().map(move |value| value * scale).collect::<Vec<_>>()
    };
    let long: Vec<f64> = order.iter().flat_map(scaled).collect();
    let short: Vec<f64> = order.iter().flat_map(|&(i, _)| turns[i * lines..(i + 1) * lines].to_vec()).collect();
    let (left, right) = if wide { (short, long) } else { (long, short) };
    Ok(Svd { values, left, right })
}

fn orthogonalise(a: &mut [f64], turns: &mut [f64], (lines, length): (usize, usize), p: usize, q: usize) -> bool {
    let (x, y) = (&a[p * length..(p + 1) * length], &a[q * length..(q + 1) * length]);
    let (xx, yy, xy) = (dot(x, x), dot(y, y), dot(x, y));
    if xy.abs() <= 1e-15 * (xx * yy).sqrt() || xy.abs() < f64::MIN_POSITIVE {
        return false;
    }
    let angle = rotation((yy - xx) / (2.0 * xy));
    turn_rows(a, length, p, q, angle);
    turn_rows(turns, lines, p, q, angle);
    true
}

pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

pub(super) fn transposed(matrix: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|j| (0..rows).map(move |i| matrix[i * columns + j])).collect()
}

/// `left` (r by n) times `right` (n by c).
pub(super) fn product(left: &[f64], right: &[f64], n: usize) -> Vec<f64> {
    let columns = right.len() / n;
    let mut result = vec![0.0; left.len() / n * columns];
    for (line, out) in left.chunks_exact(n).zip(result.chunks_exact_mut(columns)) {
        for (&factor, row) in line.iter().zip(right.chunks_exact(columns)) {
            out.iter_mut().zip(row).for_each(|(sum, &value)| *sum += factor * value);
        }
    }
    result
}

/// The lower triangle whose product with itself turned is `matrix`; none where the matrix is not positive definite.
pub(super) fn cholesky(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let rest = matrix[i * n + j] - dot(&factor[i * n..i * n + j], &factor[j * n..j * n + j]);
            if i == j {
                // Less than rounding leaves of the diagonal is nothing.
                if rest.is_nan() || rest <= 1e-13 * matrix[i * n + i].abs() {
                    return None;
                }
                factor[i * n + i] = rest.sqrt();
            } else {
                factor[i * n + j] = rest / factor[j * n + j];
            }
        }
    }
    Some(factor)
}

/// Solves `factor`·x = `right` from the top.
pub(super) fn forward(factor: &[f64], right: &[f64]) -> Vec<f64> {
    let n = right.len();
    let mut x: Vec<f64> = Vec::with_capacity(n);
    for i in 0..n {
        x.push((right[i] - dot(&factor[i * n..i * n + i], &x)) / factor[i * n + i]);
    }
    x
}

/// Solves `factor` turned·x = `right` from the bottom.
pub(super) fn backward(factor: &[f64], right: &[f64]) -> Vec<f64> {
    let n = right.len();
    let mut x = right.to_vec();
    for i in (0..n).rev() {
        x[i] = (x[i] - (i + 1..n).map(|k| factor[k * n + i] * x[k]).sum::<f64>()) / factor[i * n + i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangles_solve() {
        let matrix = [4.0, 2.0, 2.0, 3.0];
        let factor = cholesky(&matrix, 2).unwrap();
        let x = backward(&factor, &forward(&factor, &[8.0, 7.0]));
        assert!((x[0] - 1.25).abs() < 1e-14 && (x[1] - 1.5).abs() < 1e-14);
        assert_eq!(cholesky(&[1.0, 1.0, 1.0, 1.0], 2), None);
    }

    #[test]
    fn eigen_by_hand() {
        let eigen = symmetric_eigen(&[2.0, 1.0, 1.0, 2.0], 2).unwrap();
        assert!((eigen.values[0] - 1.0).abs() < 1e-14 && (eigen.values[1] - 3.0).abs() < 1e-14);
        assert!(symmetric_eigen(&[0.0; 9], 3).unwrap().values.iter().all(|&value| value == 0.0));
    }
}
