//! Scanning the neighbours of a row with AVX2: one shuffle looks up four numbers of sixteen neighbours, twice.

#![expect(unsafe_code, reason = "instructions that not every processor has, and loads through pointers, are unsafe")]

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _CMP_EQ_OQ, _CMP_LT_OQ, _MM_HINT_T0, _mm_loadl_epi64, _mm_loadu_si128, _mm_prefetch,
    _mm256_add_epi8, _mm256_add_epi16, _mm256_and_si256, _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cvtepi32_ps,
    _mm256_cvtepu8_epi32, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_extracti128_si256, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_min_ps, _mm256_movemask_ps, _mm256_permute_ps, _mm256_permute2f128_ps,
    _mm256_permutevar8x32_epi32, _mm256_permutevar8x32_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_ps,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_ps, _mm256_storeu_si256,
};

use super::scan::{self, Block, NEIGHBOURS, Room, SLACK, Tables};

/// Numbers that are looked at together for the smallest one.
const AT_ONCE: usize = 32;

/// For each set of lanes, which lanes to take so that they stand at the front.
static PACK: [u64; 256] = pack();

const fn pack() -> [u64; 256] {
    let mut table = [0u64; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut place) = (0, 0);
        while lane < 8 {
            if mask >> lane & 1 == 1 {
                table[mask] |= (lane as u64) << (8 * place);
                place += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    table
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn scan(block: &Block<'_>, tables: &Tables<'_>, own: f32, ahead: &[u8], room: &mut Room<'_>) -> usize {
    let Room { below, estimates, rows } = room;
    let sums = sums(block.codes, tables.entries, ahead);
    let (step, base) = (_mm256_set1_ps(tables.step), _mm256_set1_ps(tables.base));
    let (own, unit, below) = (_mm256_set1_ps(own), _mm256_set1_ps(block.unit), _mm256_set1_ps(*below));
    let mut all = [own; 4];
    let mut masks = [0usize; 4];
    let adds = block.adds.as_chunks::<8>().0;
    let scales = block.scales.as_chunks::<8>().0;
    for part in 0..4 {
        let product = _mm256_fmadd_ps(step, _mm256_cvtepi32_ps(sums[part]), base);
        let factor = _mm256_fmadd_ps(halves(&scales[part]), product, halves(&adds[part]));
        all[part] = _mm256_fmadd_ps(unit, factor, own);
        masks[part] = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(all[part], below)) as usize;
    }
    if masks[0] | masks[1] | masks[2] | masks[3] == 0 {
        return 0;
    }
    assert!(estimates.len() >= SLACK && rows.len() >= SLACK);
    let mut count = 0;
    for part in 0..4 {
        // SAFETY: `PACK` holds eight bytes for each mask, and this load reads eight.
        let lanes = unsafe { _mm_loadl_epi64((&raw const PACK[masks[part]]).cast::<__m128i>()) };
        let lanes = _mm256_cvtepu8_epi32(lanes);
        let packed = _mm256_permutevar8x32_ps(all[part], lanes);
        let names = _mm256_permutevar8x32_epi32(load_u32(block.rows, part), lanes);
        // SAFETY: `count` is at most 24 here, so eight values behind it are within the `SLACK` that was checked.
        unsafe { _mm256_storeu_ps(estimates.as_mut_ptr().add(count), packed) };
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(rows.as_mut_ptr().add(count).cast::<__m256i>(), names) };
        count += masks[part].count_ones() as usize;
    }
    count
}

/// The sums of the entries of 32 neighbours, each in a lane of its own.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sums(codes: &[u8], entries: &[u8], ahead: &[u8]) -> [__m256i; 4] {
    let low = _mm256_set1_epi8(15);
    let even = _mm256_set1_epi16(0xff);
    let zero = _mm256_setzero_si256();
    // Neighbours 0, 2, 4 … 14 and 1, 3 … 15 of the low halves, then of the high ones; each lane half of the numbers.
    let mut wide = [zero; 4];
    let (codes, rest) = codes.as_chunks::<128>();
    let (entries, entries_rest) = entries.as_chunks::<128>();
    let mut lines = ahead.chunks(64);
    for (codes, entries) in codes.iter().zip(entries) {
        for line in lines.by_ref().take(2) {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast::<i8>());
        }
        let mut bytes = [zero; 2];
        for (codes, entries) in codes.as_chunks::<32>().0.iter().zip(entries.as_chunks::<32>().0) {
            let (codes, entries) = (load(codes), load(entries));
            let first = _mm256_and_si256(codes, low);
            let second = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low);
            bytes[0] = _mm256_add_epi8(bytes[0], _mm256_shuffle_epi8(entries, first));
            bytes[1] = _mm256_add_epi8(bytes[1], _mm256_shuffle_epi8(entries, second));
        }
        for half in 0..2 {
            wide[2 * half] = _mm256_add_epi16(wide[2 * half], _mm256_and_si256(bytes[half], even));
            wide[2 * half + 1] = _mm256_add_epi16(wide[2 * half + 1], _mm256_srli_epi16::<8>(bytes[half]));
        }
    }
    debug_assert!(rest.is_empty() && entries_rest.is_empty());
    [spread(wide[0], wide[1])[0], spread(wide[0], wide[1])[1], spread(wide[2], wide[3])[0], spread(wide[2], wide[3])[1]]
}

/// The sums of sixteen neighbours in order, from those of the even and of the odd ones.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn spread(even: __m256i, odd: __m256i) -> [__m256i; 2] {
    let fold = |sums: __m256i| {
        std::arch::x86_64::_mm_add_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums))
    };
    let (even, odd) = (fold(even), fold(odd));
    let first = std::arch::x86_64::_mm_unpacklo_epi16(even, odd);
    let second = std::arch::x86_64::_mm_unpackhi_epi16(even, odd);
    [_mm256_cvtepu16_epi32(first), _mm256_cvtepu16_epi32(second)]
}

/// Where the smallest number is, the first of equal ones: which it is, then where.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn smallest(values: &[f32]) -> usize {
    let Some(tail) = values.last_chunk::<AT_ONCE>() else { return scan::smallest(values) };
    let mut least = [_mm256_set1_ps(f32::INFINITY); 4];
    // The tail overlaps what was seen before, which changes no minimum.
    for chunk in values.as_chunks::<AT_ONCE>().0.iter().chain([tail]) {
        for (least, part) in least.iter_mut().zip(chunk.as_chunks::<8>().0) {
            // Of two numbers of which one is NaN, the second is taken.
            *least = _mm256_min_ps(load_f32(part), *least);
        }
    }
    let least = _mm256_min_ps(_mm256_min_ps(least[0], least[1]), _mm256_min_ps(least[2], least[3]));
    let least = _mm256_min_ps(least, _mm256_permute2f128_ps::<1>(least, least));
    let least = _mm256_min_ps(least, _mm256_permute_ps::<0b01_00_11_10>(least));
    let least = _mm256_min_ps(least, _mm256_permute_ps::<0b10_11_00_01>(least));
    let starts = (0..values.len() - AT_ONCE).step_by(AT_ONCE).chain([values.len() - AT_ONCE]);
    for start in starts {
        let parts = values[start..start + AT_ONCE].as_chunks::<8>().0;
        let mut found = 0u32;
        for (part, values) in parts.iter().enumerate() {
            let equal = _mm256_cmp_ps::<_CMP_EQ_OQ>(load_f32(values), least);
            found |= (_mm256_movemask_ps(equal) as u32) << (8 * part);
        }
        if found != 0 {
            return start + found.trailing_zeros() as usize;
        }
    }
    0
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: `bytes` is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_f32(values: &[f32; 8]) -> __m256 {
    // SAFETY: `values` is eight readable numbers, and the load asks for no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_u32(rows: &[u32; NEIGHBOURS], part: usize) -> __m256i {
    // SAFETY: `rows` is four times eight readable numbers, `part` is below four.
    unsafe { _mm256_loadu_si256(rows.as_chunks::<8>().0[part].as_ptr().cast::<__m256i>()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn halves(values: &[u16; 8]) -> __m256 {
    // SAFETY: `values` is 16 readable bytes, and the load asks for no alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(values.as_ptr().cast::<__m128i>()) })
}
