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

    /// Sees a row, which there is room for: how often it was seen now, 3 standing for more.
    #[inline(always)]
    pub(super) fn see(&mut self, row: u32) -> u8 {
        let (word, bit) = (&mut self.words[row as usize / 64], 1 << (row % 64));
        if word[0] == 0 {
            self.touched.push(row / 64);
        }
        let times = if word[0] & bit == 0 {
            1
        } else if word[1] & bit == 0 {
            2
        } else {
            3
        };
        word[1] |= word[0] & bit;
        word[0] |= bit;
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_to_three_and_forgotten() {
        let mut seen = Seen::default();
        for rows in [130, 130, 200] {
            seen.ready(rows);
            for row in [0, 63, 64, 129] {
                assert_eq!([seen.see(row), seen.see(row), seen.see(row), seen.see(row)], [1, 2, 3, 3], "{row}");
            }
            assert_eq!(seen.touched, [0, 1, 2]);
        }
    }
}
