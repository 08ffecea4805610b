//! Which rows a query came across, and how often.

/// Two bits for each row, and which words were touched, so that clearing costs what was touched and not what there is.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Rows seen once or more, and twice or more.
    words: Vec<[u64; 2]>,
    touched: Vec<u32>,
}

impl Seen {
    /// Room for that many rows, none of them seen.
    pub(super) fn ready(&mut self, rows: usize) {
        for word in self.touched.drain(..) {
            self.words[word as usize] = [0; 2];
        }
        self.words.resize(rows.div_ceil(64), [0; 2]);
    }

    /// Sees the rows of a bucket, which there is room for. Those that are seen for the first time now, or for the second
    /// where `hits` is 2, go into `fresh`, in place of what was there. How many were never seen before.
    ///
    /// Whether a row is one of them is as good as random, so nothing here branches on it.
    #[inline(always)]
    pub(super) fn see(&mut self, bucket: &[u32], hits: u8, fresh: &mut Vec<u32>) -> u64 {
        fresh.resize(bucket.len(), 0);
        let (mut count, mut new) = (0, 0);
        for row in bucket {
            let (word, place) = (&mut self.words[*row as usize / 64], row % 64);
            if word[0] == 0 {
                self.touched.push(row / 64);
            }
            let (once, twice) = (word[0] >> place & 1, word[1] >> place & 1);
            let is_fresh = (once ^ u64::from(hits == 1)) & (twice ^ 1);
            fresh[count] = *row;
            count += is_fresh as usize;
            new += once ^ 1;
            word[0] |= 1 << place;
            word[1] |= once << place;
        }
        fresh.truncate(count);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_fresh_once_and_forgotten() {
        let (mut seen, mut fresh) = (Seen::default(), Vec::new());
        for rows in [130, 130, 200] {
            for hits in [1, 2] {
                seen.ready(rows);
                for (time, bucket) in [[0, 63, 64], [0, 64, 129], [0, 64, 129]].iter().enumerate() {
                    let new = seen.see(bucket, hits, &mut fresh);
                    let expected: [&[u32]; 3] = match hits {
                        1 => [&[0, 63, 64], &[129], &[]],
                        _ => [&[], &[0, 64], &[129]],
                    };
                    assert_eq!((new, &fresh[..]), ([3, 1, 0][time], expected[time]));
                }
                assert_eq!(seen.touched, [0, 1, 2]);
            }
        }
    }
}
