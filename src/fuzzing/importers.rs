//! Files of others: any bytes are records or an error that says where, in bounded memory.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::Seed;
use crate::error::{Error, Result};
use crate::exchange::{Format, ImportOptions, Input, Keys, Source, VectorIn, values};
use crate::vector::metric::Metric;

/// Names that tell how a file of one value for each row is read.
const COLUMNS: [&str; 4] = ["it.npy", "it.idx", "it.ivecs", "it.txt"];
/// Packed, a small input may hold very many rows.
const MAX_ROWS: usize = 2_000;

/// Reads `data` behind its first byte as a file: of the format, or the kind of column, that its low bits choose. The next
/// bits name fields, and take bytes as bits.
pub fn importers(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let number = usize::from(choice & 0x0F);
    let read = match Format::ALL.get(number) {
        Some(format) => records(*format, choice & 0x10 != 0, choice & 0x20 != 0, bytes),
        None => values(COLUMNS[number % COLUMNS.len()], bytes.to_vec()).map(drop),
    };
    if let Err(error) = read {
        told(&error);
    }
}

fn records(format: Format, named: bool, bits: bool, bytes: &[u8]) -> Result<()> {
    let mut options = ImportOptions::new().format(format).limit(MAX_ROWS as u64);
    if named && format.holds_records() {
        options = options.keys(Keys::Field("id".into())).vector(VectorIn::Field("v".into()));
    }
    let open = || Input::open(Source::stream("it", Cursor::new(bytes.to_vec())), &options);
    let mut input = open()?;
    if bits {
        input.set_bits(true)?;
    }
    // It looks at the first record, and after an error reading on is of no use.
    drop(open()?.schema(Some(Metric::L2)).inspect_err(told));
    let mut count = 0;
    for record in input {
        record?;
        count += 1;
    }
    assert!(count <= MAX_ROWS, "more records than asked for");
    // Passing over rows meets the same end.
    let skipping = options.clone().limit(1).skip(count as u64);
    let rest = Input::open(Source::stream("it", Cursor::new(bytes.to_vec())), &skipping)?.count();
    assert!(count == MAX_ROWS || rest == 0, "{count} records are read and more are passed over");
    Ok(())
}

fn told(error: &Error) {
    assert!(error.place().is_some_and(|place| place.starts_with("it")), "no place: {error}");
    assert!(error.remedy().is_some(), "no remedy: {error}");
}

pub(super) fn seeds() -> Vec<Seed> {
    let number = |format: Format| Format::ALL.iter().position(|other| *other == format).unwrap_or_default() as u8;
    let seed = |name, choice: u8, bytes: &[u8]| Seed { name, bytes: [&[choice], bytes].concat() };
    let npy = |header: &str, data: &[u8]| {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    };
    let matrix = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n", &[0, 0, 128, 63, 0, 0, 0, 64]);
    let bytes = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }\n", &[7, 8]);
    let hidden = npy("{\"a'b\": 1, 'descr': '<f4', 'shape': (4294967296, 4294967296, 4294967296)}", &[]);
    let texts = npy("{'descr': '<U1', 'fortran_order': False, 'shape': (2,), }\n", &[97, 0, 0, 0, 98, 0, 0, 0]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    // Memory takes all that is written.
    let packed = packed.write_all(&matrix).and_then(|()| packed.finish()).unwrap_or_default();
    vec![
        seed("npy", number(Format::Npy), &matrix),
        seed("npy-hidden-shape", number(Format::Npy), &hidden),
        seed("npy-packed", number(Format::Npy), &packed),
        seed("npy-bits", number(Format::Npy) | 0x20, &bytes),
        seed("fvecs", number(Format::Fvecs), &[1, 0, 0, 0, 0, 0, 128, 63, 1, 0, 0, 0, 0, 0, 0, 64]),
        seed("bvecs", number(Format::Bvecs), &[2, 0, 0, 0, 7, 8, 2, 0, 0, 0, 9, 10]),
        seed("ivecs", number(Format::Ivecs), &[1, 0, 0, 0, 5, 0, 0, 0]),
        seed("fbin", number(Format::Fbin), &[1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 64]),
        seed("idx", number(Format::Idx), &[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4]),
        seed(
            "jsonl",
            number(Format::Jsonl),
            b"{\"key\":1,\"vector\":[1,-2.5],\"payload\":{\"a\":[true]}}\n{\"key\":\"k\",\"vector\":\"ff00\"}\n",
        ),
        seed("jsonl-flat", number(Format::Jsonl) | 0x10, b"{\"id\":7,\"v\":[1,2],\"title\":\"t\"}\n"),
        seed(
            "csv",
            number(Format::Csv),
            b"@key,@vector,@created,lang\nx,\"[1,2]\",5,en\n7,\"[3,4]\",,\"a \"\"b\"\"\"\n",
        ),
        seed("tsv", number(Format::Csv) | 0x10, b"id\tv\tn\n1\t[1]\t2\n"),
        seed("labels-npy", 8, &texts),
        seed("labels-idx", 9, &[0, 0, 8, 1, 0, 0, 0, 2, 7, 8]),
        seed("labels-ivecs", 10, &[1, 0, 0, 0, 5, 0, 0, 0]),
        seed("labels-txt", 11, b"7\nseven\n"),
    ]
}
