//! Comparing a query with the neighbours of one row by a bit for each of their numbers.
//!
//! The codes of 32 neighbours stand interleaved, so that one instruction looks up four numbers of sixteen of them in a
//! table that the query filled (FastScan: André et al., "Cache locality is not enough", VLDB 2015, section 4). Here are
//! the types and the plain loop.

/// Neighbours that are scanned at once.
pub(crate) const NEIGHBOURS: usize = 32;

/// Room that [`Kernels::scan`](super::Kernels::scan) wants behind the candidates: it writes whole registers.
pub(crate) const SLACK: usize = NEIGHBOURS + 8;

/// Bytes of codes for each number of a vector.
pub(crate) const CODE_BYTES: usize = NEIGHBOURS / 8;

/// Bytes of a query's tables for each number of a vector.
pub(crate) const TABLE_BYTES: usize = 16 / 4;

/// The neighbours of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a> {
    /// For each four numbers sixteen bytes: of byte `j` the low half belongs to neighbour `j`, the high one to `j + 16`,
    /// and each of its bits to one number. A multiple of 32 bytes.
    pub(crate) codes: &'a [u8],
    /// What to add, as half-precision floats in units of `unit`.
    pub(crate) adds: &'a [u16; NEIGHBOURS],
    /// What to multiply with what the tables say.
    pub(crate) scales: &'a [u16; NEIGHBOURS],
    pub(crate) rows: &'a [u32; NEIGHBOURS],
    pub(crate) unit: f32,
}

/// A query as tables: for each four numbers sixteen entries, one for each pattern of four bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tables<'a> {
    /// As long as the codes of a block, divided by two.
    pub(crate) entries: &'a [u8],
    /// What one step of an entry is worth.
    pub(crate) step: f32,
    /// What to add to the sum of all entries, after it was multiplied.
    pub(crate) base: f32,
}

/// Where candidates go, and which.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    /// Only neighbours whose estimate is below this are wanted.
    pub(crate) below: f32,
    /// Room for [`SLACK`] at least.
    pub(crate) estimates: &'a mut [f32],
    /// As much.
    pub(crate) rows: &'a mut [u32],
}

/// The plain loop: appends those neighbours whose estimate is low enough and returns how many they are.
#[inline(always)]
pub(super) fn scan(block: &Block<'_>, tables: &Tables<'_>, own: f32, room: &mut Room<'_>) -> usize {
    let Room { below, estimates, rows } = room;
    let mut sums = [0u32; NEIGHBOURS];
    for (codes, entries) in block.codes.as_chunks::<16>().0.iter().zip(tables.entries.as_chunks::<16>().0) {
        for (place, code) in codes.iter().enumerate() {
            sums[place] += u32::from(entries[usize::from(code & 15)]);
            sums[place + 16] += u32::from(entries[usize::from(code >> 4)]);
        }
    }
    let mut count = 0;
    for (place, sum) in sums.into_iter().enumerate() {
        let product = tables.step.mul_add(sum as f32, tables.base);
        let factor = from_half(block.scales[place]).mul_add(product, from_half(block.adds[place]));
        let estimate = block.unit.mul_add(factor, own);
        estimates[count] = estimate;
        rows[count] = block.rows[place];
        count += usize::from(estimate < *below);
    }
    count
}

/// Where the smallest of some numbers is, the first of equal ones.
#[inline(always)]
pub(super) fn smallest(values: &[f32]) -> usize {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if *value < values[best] {
            best = place;
        }
    }
    best
}

/// A half-precision float as a float.
#[inline(always)]
pub(crate) fn from_half(bits: u16) -> f32 {
    let (sign, magnitude) = (u32::from(bits & 0x8000) << 16, u32::from(bits & 0x7fff));
    // Shifting leaves an exponent that is too small by 112, which multiplying mends, also for what is below normal.
    f32::from_bits(sign | (magnitude << 13)) * f32::from_bits((127 + 112) << 23)
}

/// The nearest half-precision float to a finite number of at most 65,000.
pub(crate) fn to_half(value: f32) -> u16 {
    let sign = (value.to_bits() >> 16) as u16 & 0x8000;
    let scaled = value.abs().min(65_000.0) * f32::from_bits((127 - 112) << 23);
    let bits = scaled.to_bits();
    // Rounds to nearest, ties to even.
    sign | ((bits + 0xfff + (bits >> 13 & 1)) >> 13) as u16
}
