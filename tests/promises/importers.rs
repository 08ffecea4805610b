//! A file is imported as what it is, or refused with its name and the row that is wrong; then nothing of it stays.

use std::io::{self, Cursor, Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use driftline::exchange::{self, Format, ImportOptions, ImportReport, Input, Keys, Progress, Source};
use driftline::{Collection, Database, ErrorKind, Key, Metric, Record, Result, Schema, Value, Vector, json};
use flate2::Compression;
use flate2::write::GzEncoder;

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    [bytes, header.into_bytes(), data.to_vec()].concat()
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn u32s(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn idx(letter: u8, sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, letter, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    [bytes, data.to_vec()].concat()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_with(bytes: &[u8], options: ImportOptions) -> Result<Vec<Record>> {
    Input::open(Source::stream("it", Cursor::new(bytes.to_vec())), &options)?.collect()
}

fn read(format: Format, bytes: &[u8]) -> Result<Vec<Record>> {
    read_with(bytes, ImportOptions::new().format(format))
}

/// Gives one byte at a time, as a slow pipe may.
struct Dripping(Cursor<Vec<u8>>);

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

fn dripping(bytes: &[u8], options: &ImportOptions) -> Result<Input> {
    Input::open(Source::stream("it", Dripping(Cursor::new(bytes.to_vec()))), options)
}

/// Two vectors in every format that holds vectors.
fn pairs() -> Vec<(Format, Vec<u8>)> {
    let row = |bytes: &[u8]| [&2u32.to_le_bytes()[..], bytes].concat();
    vec![
        (Format::Npy, npy("<f4", "(2, 2)", &f32s(&[1.0, 2.0, 3.0, 4.0]))),
        (Format::Npy, npy(">i2", "(2, 2)", &[0, 1, 0, 2, 0, 3, 0, 4])),
        (Format::Fvecs, [row(&f32s(&[1.0, 2.0])), row(&f32s(&[3.0, 4.0]))].concat()),
        (Format::Bvecs, [row(&[1, 2]), row(&[3, 4])].concat()),
        (Format::Ivecs, [row(&u32s(&[1, 2])), row(&u32s(&[3, 4]))].concat()),
        (Format::Fbin, [u32s(&[2, 2]), f32s(&[1.0, 2.0, 3.0, 4.0])].concat()),
        (Format::Idx, idx(8, &[2, 1, 2], &[1, 2, 3, 4])),
        (Format::Idx, idx(0x0D, &[2, 2], &[1.0f32, 2.0, 3.0, 4.0].map(f32::to_be_bytes).concat())),
        (Format::Jsonl, b"{\"key\":0,\"vector\":[1,2]}\n\n{\"key\":1,\"vector\":[3,4]}".to_vec()),
        (Format::Csv, b"key,vector\n0,\"[1,2]\"\n1,\"[3,4]\"\n".to_vec()),
    ]
}

#[test]
fn every_format_gives_the_same_vectors_packed_or_not() {
    let expected = vec![Record::new(0u64).vector([1.0, 2.0]), Record::new(1u64).vector([3.0, 4.0])];
    for (format, bytes) in pairs() {
        assert_eq!(read(format, &bytes).unwrap(), expected, "{format}");
        assert_eq!(read(format, &gz(&bytes)).unwrap(), expected, "{format}, gzip'd");
        let last = read_with(&bytes, ImportOptions::new().format(format).skip(1).limit(1)).unwrap();
        assert_eq!(last, expected[1..], "{format}, the second row");
    }
}

#[test]
fn every_format_can_come_byte_by_byte() {
    let expected = vec![Record::new(0u64).vector([1.0, 2.0]), Record::new(1u64).vector([3.0, 4.0])];
    let table = b"key\tvector\n0\t[1,2]\n1\t[3,4]\n".to_vec();
    for (format, bytes) in pairs().into_iter().chain([(Format::Csv, table)]) {
        let options = ImportOptions::new().format(format);
        for bytes in [&bytes, &gz(&bytes)] {
            let found: Result<Vec<_>> = dripping(bytes, &options).and_then(Iterator::collect);
            assert_eq!(found.unwrap(), expected, "{format}");
        }
        let schema = dripping(&bytes, &options.limit(0)).unwrap().schema(Some(Metric::L2));
        assert_eq!(schema.is_ok(), !format.holds_records(), "{format}: the dimension stands in front");
    }
}

#[test]
fn the_mark_before_utf8_is_no_text() {
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    let expected = vec![Record::new(7u64).payload(json!({"x": 1}))];
    let cases = [
        (Format::Csv, marked("key,x\n7,1")),
        (Format::Csv, marked("key\tx\n7\t1")),
        (Format::Jsonl, marked("{\"key\":7,\"payload\":{\"x\":1}}")),
    ];
    for (format, bytes) in cases {
        let options = ImportOptions::new().format(format);
        let found: Vec<_> = dripping(&bytes, &options).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!((&found, &read(format, &bytes).unwrap()), (&expected, &expected), "{format}");
    }
    let bench = Bench::new();
    let vectors = bench.file("x.npy", npy("<f4", "(1, 1)", &f32s(&[1.0])));
    let (keys, labels) = (bench.file("keys.txt", marked("7\n")), bench.file("labels.txt", marked("tea\n")));
    bench.import("it", vectors, &ImportOptions::new().keys(Keys::File(keys)).labels(labels)).unwrap();
    let found = &bench.all("it")[0];
    assert_eq!((&found.key, &found.payload), (&Key::from(7u64), &json!({"label": "tea"}).into()));
}

#[test]
fn every_file_cut_short_is_refused_with_its_row() {
    for (format, bytes) in pairs() {
        for length in 0..bytes.len() {
            match read(format, &bytes[..length]) {
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Invalid), "{format} cut to {length}: {error}");
                    assert!(error.place().is_some_and(|place| place.starts_with("it")), "{error}");
                }
                // A whole number of rows of a format that does not begin with how many there are.
                Ok(records) => assert!(records.len() < 2 || format.holds_records(), "{format} cut to {length}"),
            }
        }
        // What is packed has an end, so nothing is lost unnoticed.
        let packed = gz(&bytes);
        for length in 4..packed.len() {
            assert!(read(format, &packed[..length]).is_err(), "{format}, packed and cut to {length}");
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    use Format::{Bvecs, Csv, Fbin, Fvecs, Idx, Jsonl, Npy};
    let deep = format!("{{'descr': {}", "(".repeat(30_000));
    let deep = [b"\x93NUMPY\x01\x00".to_vec(), (deep.len() as u16).to_le_bytes().to_vec(), deep.into_bytes()].concat();
    let long = [&b"{\"key\":\""[..], &vec![b'x'; 70 << 20]].concat();
    let cases: Vec<(Format, Vec<u8>, &str)> = vec![
        (Npy, b"hello".to_vec(), "it"),
        (Npy, deep, "deep"),
        (Npy, [b"\x93NUMPY\x02\x00".to_vec(), u32s(&[u32::MAX])].concat(), "4294967295 bytes"),
        (Npy, npy("<f4", "(4,)", &f32s(&[0.0; 4])), "1 dimensions"),
        (Npy, npy("<f4", "(2, 99999999999999999999)", &[]), "shape is impossible"),
        (Npy, npy("<f4", "(18446744073709551615, 131072)", &[]), "shape is impossible"),
        (Npy, npy("<f4", "(0x7fffffffffffffff, 2)", &[]), "shape is impossible"),
        (Npy, npy("", "(1, 2)", &[]), "it"),
        (Npy, npy("<f4", "(70368744177664, 131072)", &[]), "ends in row 0"),
        (Npy, npy("<f4", "(2, 1000000000000)", &[]), "rows of 1000000000000"),
        (Npy, npy("<f4", "(0, 0)", &[]), "rows of 0"),
        (Npy, npy("<c8", "(1, 2)", &[0; 16]), "type"),
        (Npy, npy("<f2", "(1, 2)", &[0; 4]), "astype"),
        (Npy, npy("<f4", "(1, 1)", &f32s(&[1.0, 2.0])), "goes on after the 1 rows"),
        (Fvecs, [u32s(&[1]), f32s(&[1.0]), u32s(&[2]), f32s(&[1.0, 2.0])].concat(), "it, row 1"),
        (Fvecs, u32s(&[0]), "dimension is 0"),
        (Bvecs, u32s(&[u32::MAX]), "dimension is 4294967295"),
        (Fbin, u32s(&[u32::MAX, u32::MAX]), "rows of 4294967295"),
        (Fbin, u32s(&[u32::MAX, 8]), "ends in row 0; its header promises 4294967295"),
        (Idx, idx(8, &[2], &[1, 2]), "1 dimensions"),
        (Idx, idx(7, &[1, 1], &[1]), "type is 0x7"),
        (Idx, idx(8, &[1; 255], &[1, 2]), "goes on after"),
        (Idx, vec![1, 2, 3, 4], "begins with"),
        (Jsonl, b"{\"key\":1}\n\n{\"key\":}".to_vec(), "it, line 3"),
        (Jsonl, b"{\"vector\":[1]}".to_vec(), "no key"),
        (Jsonl, b"{\"key\":1,\"payload\":\"\xFF\"}".to_vec(), "it, line 1"),
        (Jsonl, long.clone(), "too long"),
        (Jsonl, format!("{{\"key\":1,\"payload\":{}", "[".repeat(100_000)).into_bytes(), "it, line 1"),
        (Csv, b"key,a\n1,2\n3\n".to_vec(), "it, line 3"),
        (Csv, b"key,a\n1,2,3\n".to_vec(), "3 cells, and the headings 2"),
        (Csv, b"key,vector\n1,[1;2]\n".to_vec(), "it, line 2"),
        (Csv, b"key,a,a\n".to_vec(), "two columns"),
        (Csv, b"key,a\n,2\n".to_vec(), "no key"),
        (Csv, b"key,a\n1,\xFF\n".to_vec(), "UTF-8"),
        (Csv, [&b"key,a\n1,\""[..], &long].concat(), "too long"),
    ];
    for (format, bytes, said) in cases {
        let error = read(format, &bytes).unwrap_err();
        assert!(error.to_string().contains(said), "{format}: {error} does not say {said:?}");
        assert!(error.place().unwrap().starts_with("it") && error.remedy().is_some(), "{error}");
    }
    let error = read(Csv, &[&b"key,a\n1,\""[..], &long].concat()).unwrap_err();
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("quote")), "{error}");
    let error = read_with(&[], ImportOptions::new()).unwrap_err();
    assert!(error.to_string().contains("name the format"), "{error}");
}

/// A directory of files, and a store in memory.
struct Bench {
    directory: tempfile::TempDir,
    db: Database,
}

impl Bench {
    fn new() -> Bench {
        Bench { directory: tempfile::tempdir().unwrap(), db: Database::in_memory().unwrap() }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn import(&self, name: &str, path: PathBuf, options: &ImportOptions) -> Result<ImportReport> {
        let go_on = &mut |_: Progress| ControlFlow::Continue(());
        exchange::import_new(&self.db, name, Some(Metric::L2), Source::file(path), options, go_on)
    }

    fn all(&self, name: &str) -> Vec<Record> {
        let collection = self.db.collection(name).unwrap();
        collection.scan().map(|record| record.unwrap()).collect()
    }
}

#[test]
fn keys_labels_and_payloads_come_from_files_beside() {
    let bench = Bench::new();
    let vectors = bench.file("x.npy", npy("<f4", "(2, 1)", &f32s(&[1.0, 2.0])));
    let labels = [
        ("l.npy", npy("<i8", "(2,)", &[7u64.to_le_bytes(), 8u64.to_le_bytes()].concat())),
        ("l-idx1-ubyte.gz", gz(&idx(8, &[2], &[7, 8]))),
        ("l.ivecs", u32s(&[1, 7, 1, 8])),
        ("l.txt", b"7\r\n8".to_vec()),
    ];
    for (name, bytes) in labels {
        let labels = bench.file(name, bytes);
        let keys = bench.file("keys.txt", "b\n\"7\"\n");
        let payload = bench.file("p.csv", "lang\nen\nde\n");
        let options = ImportOptions::new().labels(labels).keys(Keys::File(keys)).payload(payload);
        bench.import("it", vectors.clone(), &options).unwrap();
        let found: Vec<_> = bench.all("it").into_iter().map(|record| (record.key, record.payload)).collect();
        let of = |label: i64, lang: &str| Value::from(json!({"label": label, "lang": lang}));
        assert_eq!(found, [(Key::from("7"), of(8, "de")), (Key::from("b"), of(7, "en"))], "{name}");
        bench.db.drop_collection("it").unwrap();
    }
    let lines = bench.file("p.jsonl", "{\"key\":\"a\",\"payload\":1}\n{\"key\":\"b\",\"created\":5}\n");
    bench.import("it", vectors.clone(), &ImportOptions::new().payload(lines)).unwrap();
    let found = bench.all("it");
    assert_eq!((&found[0].key, &found[0].payload), (&Key::from("a"), &Value::from(1)));
    assert_eq!(found[1].created.map(|time| time.0), Some(5));
    let texts = bench.file("w.npy", npy("<U2", "(2,)", &u32s(&[0x61, 0, 0xE9, 0x62])));
    bench.import("texts", vectors, &ImportOptions::new().payload(texts)).unwrap();
    assert_eq!(bench.all("texts")[1].payload, json!({"w": "\u{e9}b"}).into());
}

#[test]
fn files_of_other_lengths_are_refused() {
    let bench = Bench::new();
    let vectors = bench.file("x.npy", npy("<f4", "(2, 1)", &f32s(&[1.0, 2.0])));
    let refused = |options: ImportOptions, said: &[&str]| {
        let error = bench.import("it", vectors.clone(), &options).unwrap_err().to_string();
        assert!(said.iter().all(|said| error.contains(said)), "{error} does not say {said:?}");
        assert_eq!(bench.db.collections().unwrap().len(), 0, "a failed import leaves its collection");
    };
    let three = bench.file("three.npy", npy("|u1", "(3,)", &[1, 2, 3]));
    refused(ImportOptions::new().labels(&three), &["3 labels for 2 rows", "three.npy"]);
    refused(ImportOptions::new().keys(Keys::File(three)), &["3 keys for 2 rows"]);
    let one = bench.file("one.txt", "1\n");
    refused(ImportOptions::new().labels(&one), &["labels end before", "x.npy, row 1", "one.txt"]);
    let many = bench.file("many.jsonl", "{}\n{}\n{}\n");
    refused(ImportOptions::new().payload(&many), &["more payloads than the 2 rows", "many.jsonl, line 3"]);
    refused(ImportOptions::new().keys(Keys::Field("id".into())), &["no fields"]);
    let texts = bench.file("texts.npy", npy("<U1", "(2,)", &u32s(&[0x61, 0xD800])));
    refused(ImportOptions::new().labels(texts), &["texts.npy, row 1", "not Unicode"]);
    refused(ImportOptions::new().labels("/nowhere/x.npy"), &["/nowhere/x.npy", "check the path"]);
}

#[test]
fn keys_for_some_rows_only_are_refused() {
    let bench = Bench::new();
    let vectors = bench.file("x.npy", npy("<f4", "(3, 1)", &f32s(&[1.0, 2.0, 3.0])));
    for (lines, said) in [
        ("{\"payload\":1}\n{\"payload\":2}\n{\"key\":\"c\"}\n", ["there is a key", "p.jsonl, line 3"]),
        ("{\"key\":\"a\"}\n{\"key\":\"b\"}\n{\"payload\":3}\n", ["there is no key", "x.npy, row 2"]),
    ] {
        let payload = bench.file("p.jsonl", lines);
        let error =
            bench.import("it", vectors.clone(), &ImportOptions::new().payload(payload)).unwrap_err().to_string();
        assert!(said.iter().all(|said| error.contains(said)), "{error} does not say {said:?}");
    }
}

#[test]
fn a_record_that_the_collection_refuses_is_named() {
    let bench = Bench::new();
    let numbers = f32s(&[1.0, 2.0, f32::NAN, 4.0]);
    let cases = [
        ("x.npy", npy("<f4", "(2, 2)", &numbers), "x.npy, row 1"),
        ("x.fbin.gz", gz(&[u32s(&[2, 2]), numbers].concat()), "x.fbin.gz, row 1"),
        ("x.csv", b"key,vector\n1,\"[1,2]\"\n2,\"[1]\"\n".to_vec(), "x.csv, line 3"),
        ("x.tsv", b"key\tvector\n1\t[1,2]\n2\t[1e39,1]\n".to_vec(), "x.tsv, line 3"),
    ];
    let points = bench.db.create_collection("points", Schema::vector(2, Metric::L2)).unwrap();
    for (name, bytes, place) in cases {
        let path = bench.file(name, bytes);
        let error = import_into(&points, path.clone()).unwrap_err();
        assert_eq!(error.place(), Some(&*path.with_file_name(place).display().to_string()), "{error}");
        assert_eq!(points.count().unwrap(), 0);
    }
}

fn import_into(collection: &Collection, path: PathBuf) -> Result<ImportReport> {
    exchange::import(collection, Source::file(path), &ImportOptions::new(), &mut |_| ControlFlow::Continue(()))
}

#[test]
fn bytes_are_packed_bits_where_the_collection_holds_bits() {
    let bench = Bench::new();
    let hashes = bench.db.create_collection("hashes", Schema::bits(16)).unwrap();
    import_into(&hashes, bench.file("x.npy", npy("|u1", "(1, 2)", &[255, 1]))).unwrap();
    assert_eq!(hashes.get(0u64).unwrap().unwrap().vector, Some(Vector::Bits(vec![255, 1])));
    import_into(&hashes, bench.file("x.bvecs", [u32s(&[2]), vec![3, 4]].concat())).unwrap();
    assert_eq!(hashes.get(0u64).unwrap().unwrap().vector, Some(Vector::Bits(vec![3, 4])));
    let numbers = bench.file("f.npy", npy("<f4", "(1, 2)", &f32s(&[1.0, 2.0])));
    assert!(import_into(&hashes, numbers).unwrap_err().to_string().contains("packbits"));
}

#[test]
fn an_import_tells_how_far_it_is() {
    let bench = Bench::new();
    let bytes = gz(&npy("|u1", "(1000, 2)", &[1; 2000]));
    let path = bench.file("x.npy.gz", &bytes);
    let points = bench.db.create_collection("points", Schema::vector(2, Metric::L2)).unwrap();
    let mut told = Vec::new();
    let mut note = |progress: Progress| {
        told.push(progress);
        ControlFlow::Continue(())
    };
    exchange::import(&points, Source::file(&path), &ImportOptions::new(), &mut note).unwrap();
    let rows: Vec<_> = told.iter().map(|progress| progress.rows).collect();
    assert_eq!(rows, [256, 512, 768, 1000]);
    let last = told.last().unwrap();
    assert_eq!((last.of, last.bytes, last.of_bytes), (Some(1000), bytes.len() as u64, Some(bytes.len() as u64)));
    let stopped =
        exchange::import(&points, Source::file(&path), &ImportOptions::new(), &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
}
