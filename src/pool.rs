//! The engine's own threads for work that splits: searching, sealing, verifying.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// Runs independent pieces of work, in parallel where it has threads.
#[derive(Debug)]
pub(crate) struct Pool(Option<rayon::ThreadPool>);

impl Pool {
    /// A pool that runs everything on the calling thread and starts none.
    pub(crate) fn inline() -> Pool {
        Pool(None)
    }

    /// A pool of `threads` named threads; one thread means the calling thread.
    pub(crate) fn new(threads: usize) -> Result<Pool> {
        if threads <= 1 {
            return Ok(Pool::inline());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("driftline-pool-{number}"))
            .build()
            .map_err(|error| Error::internal(format!("could not start {threads} threads: {error}")))?;
        Ok(Pool(Some(pool)))
    }

    /// Threads that work at the same time.
    pub(crate) fn threads(&self) -> usize {
        self.0.as_ref().map_or(1, rayon::ThreadPool::current_num_threads)
    }

    /// `work(0), work(1), … work(count - 1)` in that order, or the first error in that order.
    pub(crate) fn map<T: Send>(&self, count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        match &self.0 {
            Some(pool) if count > 1 => {
                let results: Vec<Result<T>> = pool.install(|| (0..count).into_par_iter().map(&work).collect());
                results.into_iter().collect()
            }
            _ => (0..count).map(work).collect(),
        }
    }

    /// What `work` gives for each piece of `size` items, the last one shorter, one behind the other; or the first error in
    /// that order.
    pub(crate) fn map_pieces<I: Sync, T: Send>(
        &self,
        items: &[I],
        size: usize,
        work: impl Fn(&[I]) -> Result<Vec<T>> + Sync,
    ) -> Result<Vec<T>> {
        if items.len() <= size {
            return work(items);
        }
        let piece = |number: usize| work(&items[number * size..items.len().min((number + 1) * size)]);
        Ok(self.map(items.len().div_ceil(size), piece)?.into_iter().flatten().collect())
    }

    /// `work(number, piece)` for each piece of `size` items, the last one shorter.
    pub(crate) fn fill<T: Send>(&self, items: &mut [T], size: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        match &self.0 {
            Some(pool) => pool.install(|| {
                items.par_chunks_mut(size).enumerate().for_each(|(number, piece)| work(number, piece));
            }),
            None => items.chunks_mut(size).enumerate().for_each(|(number, piece)| work(number, piece)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_errors_do_not_depend_on_threads() {
        for threads in [1, 3] {
            let pool = Pool::new(threads).unwrap();
            assert_eq!(pool.map(5, |n| Ok(n * n)).unwrap(), [0, 1, 4, 9, 16]);
            let doubled = |piece: &[usize]| Ok(piece.iter().map(|n| 2 * n).collect());
            for count in [0, 1, 2, 7] {
                let items: Vec<usize> = (0..count).collect();
                let expected: Vec<usize> = items.iter().map(|n| 2 * n).collect();
                assert_eq!(pool.map_pieces(&items, 2, doubled).unwrap(), expected);
            }
            let failed = pool.map(5, |n| if n >= 2 { Err(Error::invalid(format!("{n}"))) } else { Ok(()) });
            assert_eq!(failed.unwrap_err().to_string(), "2");
        }
    }
}
