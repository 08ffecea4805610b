//! Data quality: what is wrong with the features that predictions were made from.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::prediction::{PredictionRecord, cells};
use super::vectors::{OpenVector, VectorShape, norm};
use crate::payload::{self, Value};

/// A text feature with more values than this is no category.
const MAX_CATEGORIES: usize = 256;
/// Features beyond so many are not looked at.
const MAX_FEATURES: usize = 1_000;
/// A window needs so many rows for a feature to be called constant.
const LEAST_FOR_CONSTANT: u64 = 30;

/// What features look like when all is well, learned from a baseline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureProfile {
    /// By the names of features.
    pub features: BTreeMap<String, FeatureShape>,
}

/// What one feature looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureShape {
    /// `number`, `text`, `bool`, `array` or `object`; `mixed` where it is not always the same.
    pub kind: String,
    /// The least and the greatest number.
    pub range: Option<(f64, f64)>,
    /// The values of a text, where they are at most 256.
    pub categories: Option<BTreeSet<String>>,
    /// Whether it always has the same value.
    pub constant: bool,
    /// Of vectors of one dimension.
    #[serde(default)]
    pub vector: Option<VectorShape>,
}

impl FeatureProfile {
    /// What the features of these rows look like; nulls tell nothing.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Value>) -> FeatureProfile {
        let mut columns: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for row in rows {
            for (name, value) in cells(row).filter(|(_, value)| !value.is_null()) {
                columns.entry(name).or_default().push(value);
            }
        }
        let shapes = columns.into_iter().take(MAX_FEATURES);
        FeatureProfile { features: shapes.map(|(name, values)| (name, FeatureShape::of(&values))).collect() }
    }
}

impl FeatureShape {
    fn of(values: &[&Value]) -> FeatureShape {
        let kinds: BTreeSet<&str> = values.iter().map(|value| kind(value)).collect();
        let numbers = values.iter().filter_map(|value| value.as_f64());
        let range = numbers.fold(None, |range: Option<(f64, f64)>, number| {
            Some(range.map_or((number, number), |(least, most)| (least.min(number), most.max(number))))
        });
        let texts: BTreeSet<String> = values.iter().filter_map(|value| value.as_text()).map(str::to_owned).collect();
        FeatureShape {
            kind: if kinds.len() == 1 { kinds.first().copied().unwrap_or("mixed").into() } else { "mixed".into() },
            range,
            categories: (!texts.is_empty() && texts.len() <= MAX_CATEGORIES).then_some(texts),
            constant: values.windows(2).all(|pair| pair[0] == pair[1]),
            vector: VectorShape::of(values),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "number",
        Value::Text(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Bytes(_) | Value::Blob(_) => "bytes",
    }
}

/// What was found in features, counted. A cell, one feature of one row, counts once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct QualityTally {
    pub(super) rows: u64,
    cells: u64,
    missing: u64,
    not_finite: u64,
    wrong_type: u64,
    out_of_range: u64,
    unseen_category: u64,
    zero_norm: u64,
    #[serde(default)]
    norm_shift: u64,
    duplicate_rows: u64,
    /// Features, counted once for each window in which they were looked at.
    columns: u64,
    constant_columns: u64,
    /// Numbers of vectors, counted likewise.
    #[serde(default)]
    dimensions: u64,
    #[serde(default)]
    dead_dimensions: u64,
    #[serde(skip)]
    open: OpenWindow,
}

/// What is remembered until the window is over.
#[derive(Debug, Clone, Default, PartialEq)]
struct OpenWindow {
    seen: HashSet<u64>,
    columns: BTreeMap<String, Column>,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    first: u64,
    varies: bool,
    rows: u64,
    was_constant: bool,
    vector: Option<OpenVector>,
}

impl QualityTally {
    /// Looks at the features of a row.
    pub(super) fn add(&mut self, record: &PredictionRecord, profile: &FeatureProfile) {
        self.rows += 1;
        if !self.open.seen.insert(hash(&record.features)) {
            self.duplicate_rows += 1;
        }
        let mut present = BTreeSet::new();
        for (name, value) in cells(&record.features).take(MAX_FEATURES) {
            self.judge(record, &name, value, profile.features.get(&name));
            self.note(&name, value, profile.features.get(&name));
            present.insert(name);
        }
        let absent = profile.features.keys().filter(|name| !present.contains(*name)).count() as u64;
        self.cells += absent;
        self.missing += absent;
    }

    fn judge(&mut self, record: &PredictionRecord, name: &str, value: &Value, shape: Option<&FeatureShape>) {
        self.cells += 1;
        let zero = |value: &Value| value.as_f64() == Some(0.0);
        let beyond = |(least, most): (f64, f64)| value.as_f64().is_some_and(|it| it < least || it > most);
        let unseen = |known: &BTreeSet<String>| value.as_text().is_some_and(|text| !known.contains(text));
        let vectors = shape.and_then(|shape| shape.vector.as_ref());
        let finding = if record.not_finite.iter().any(|bad| bad == name) {
            &mut self.not_finite
        } else if value.is_null() {
            &mut self.missing
        } else if shape.is_some_and(|shape| shape.kind != "mixed" && shape.kind != kind(value))
            || vectors.is_some_and(|shape| !shape.has_dimension_of(value))
        {
            &mut self.wrong_type
        } else if shape.and_then(|shape| shape.range).is_some_and(beyond) {
            &mut self.out_of_range
        } else if shape.and_then(|shape| shape.categories.as_ref()).is_some_and(unseen) {
            &mut self.unseen_category
        } else if value.as_array().is_some_and(|values| !values.is_empty() && values.iter().all(zero)) {
            &mut self.zero_norm
        } else if vectors.zip(norm(value)).is_some_and(|(shape, norm)| !shape.is_usual(norm)) {
            &mut self.norm_shift
        } else {
            return;
        };
        *finding += 1;
    }

    /// Remembers whether a feature varies.
    fn note(&mut self, name: &str, value: &Value, shape: Option<&FeatureShape>) {
        let columns = &mut self.open.columns;
        if columns.len() >= MAX_FEATURES && !columns.contains_key(name) {
            return;
        }
        let hash = hash(value);
        let was_constant = shape.is_some_and(|shape| shape.constant);
        let column = columns.entry(name.to_owned());
        let column = column.or_insert_with(|| Column {
            first: hash,
            varies: false,
            rows: 0,
            was_constant,
            vector: OpenVector::of(value, shape.and_then(|shape| shape.vector.as_ref())),
        });
        column.rows += 1;
        column.varies |= column.first != hash;
        column.vector.iter_mut().for_each(|vector| vector.note(value));
    }

    /// Ends the window: which features were constant in it is known.
    pub(super) fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        let looked_at = open.columns.values().filter(|column| column.rows >= LEAST_FOR_CONSTANT);
        for column in looked_at {
            self.columns += 1;
            self.constant_columns += u64::from(!column.varies && !column.was_constant);
            if let Some(vector) = &column.vector {
                self.dimensions += vector.dimension();
                self.dead_dimensions += vector.dead();
            }
        }
    }

    /// Adds another window; both are over.
    pub(super) fn merge(&mut self, other: &QualityTally) {
        self.rows += other.rows;
        self.cells += other.cells;
        self.missing += other.missing;
        self.not_finite += other.not_finite;
        self.wrong_type += other.wrong_type;
        self.out_of_range += other.out_of_range;
        self.unseen_category += other.unseen_category;
        self.zero_norm += other.zero_norm;
        self.norm_shift += other.norm_shift;
        self.dimensions += other.dimensions;
        self.dead_dimensions += other.dead_dimensions;
        self.duplicate_rows += other.duplicate_rows;
        self.columns += other.columns;
        self.constant_columns += other.constant_columns;
    }

    /// Whether counting could have made it; for one that was read from a disk.
    pub(super) fn is_sound(&self) -> bool {
        let bad = [
            self.missing,
            self.not_finite,
            self.wrong_type,
            self.out_of_range,
            self.unseen_category,
            self.zero_norm,
            self.norm_shift,
        ];
        let bad = bad.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
        let most = 1 << 40;
        bad.is_some_and(|bad| bad <= self.cells)
            && self.duplicate_rows <= self.rows
            && self.constant_columns <= self.columns
            && self.dead_dimensions <= self.dimensions
            && self.dimensions < most
            && self.cells < most
            && self.rows < most
            && self.columns < most
    }

    /// The report; none where no row had features.
    pub(super) fn report(&self) -> Option<DataQuality> {
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let cell = |part: u64| share(part, self.cells);
        let quality = DataQuality {
            rows: self.rows,
            missing: cell(self.missing),
            not_finite: cell(self.not_finite),
            wrong_type: cell(self.wrong_type),
            out_of_range: cell(self.out_of_range),
            unseen_category: cell(self.unseen_category),
            zero_norm: cell(self.zero_norm),
            norm_shift: cell(self.norm_shift),
            duplicate_rows: share(self.duplicate_rows, self.rows),
            constant_features: share(self.constant_columns, self.columns),
            dead_dimensions: share(self.dead_dimensions, self.dimensions),
            score: 0.0,
        };
        (self.rows > 0).then(|| DataQuality { score: quality.scored(), ..quality })
    }
}

/// The quality of features: what share of them was wrong in which way, and a score.
///
/// The score is the share of cells without a finding, times the share of rows that are no duplicates, times the share of
/// features that vary, times the share of dimensions of vectors that vary: 1 when nothing was found, 0 when nothing is of use.
/// Without a baseline, nothing is of the wrong type, out of range, unseen or of an unusual length, and only what is null is
/// missing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DataQuality {
    /// Rows with features.
    pub rows: u64,
    /// Cells that are null, or absent where the baseline has the feature.
    pub missing: f64,
    /// Cells that were NaN or infinite, vectors with such a number among them.
    pub not_finite: f64,
    /// Cells of another type than in the baseline, and vectors of another dimension.
    pub wrong_type: f64,
    /// Numbers below the least or above the greatest of the baseline.
    pub out_of_range: f64,
    /// Texts that are not among the at most 256 of the baseline.
    pub unseen_category: f64,
    /// Vectors of zeros.
    pub zero_norm: f64,
    /// Vectors that are shorter or longer (L2) than all of the baseline, by more than a hundredth.
    pub norm_shift: f64,
    /// Rows that are the same as an earlier one of their window.
    pub duplicate_rows: f64,
    /// Features that had one value in a window of at least 30 rows, and not in the baseline.
    pub constant_features: f64,
    /// Dimensions of vectors that had one value in a window of at least 30 rows, and not in the baseline.
    pub dead_dimensions: f64,
    /// From 0 to 1.
    pub score: f64,
}

impl DataQuality {
    fn scored(&self) -> f64 {
        let cells = self.missing
            + self.not_finite
            + self.wrong_type
            + self.out_of_range
            + self.unseen_category
            + self.zero_norm
            + self.norm_shift;
        let varying = (1.0 - self.constant_features) * (1.0 - self.dead_dimensions);
        (1.0 - cells).max(0.0) * (1.0 - self.duplicate_rows) * varying
    }
}

fn hash(value: &Value) -> u64 {
    payload::encode(value).map_or(0, |bytes| xxh3_64(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tally(profile: &FeatureProfile, rows: &[serde_json::Value]) -> DataQuality {
        let mut tally = QualityTally::default();
        for row in rows {
            tally.add(&PredictionRecord::new("a").features(row.clone()), profile);
        }
        tally.close();
        assert!(tally.is_sound());
        tally.report().unwrap()
    }

    #[test]
    fn each_finding_counts_once_and_under_its_name() {
        let rows = [json!({"age": 10, "lang": "en"}), json!({"age": 20, "lang": "de"})].map(Value::from);
        let profile = FeatureProfile::of(&rows);
        assert_eq!(profile.features["age"].range, Some((10.0, 20.0)));
        let good = json!({"age": 15, "lang": "en"});
        assert_eq!(tally(&profile, std::slice::from_ref(&good)).score, 1.0);
        let parts = |row| {
            let it = tally(&profile, &[row]);
            [it.missing, it.wrong_type, it.out_of_range, it.unseen_category, it.zero_norm]
        };
        assert_eq!(parts(json!({"age": null, "lang": "en"})), [0.5, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(parts(json!({"lang": "en"})), [0.5, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(parts(json!({"age": "ten", "lang": "en"})), [0.0, 0.5, 0.0, 0.0, 0.0]);
        assert_eq!(parts(json!({"age": 21, "lang": "en"})), [0.0, 0.0, 0.5, 0.0, 0.0]);
        assert_eq!(parts(json!({"age": 15, "lang": "fr"})), [0.0, 0.0, 0.0, 0.5, 0.0]);
        assert_eq!(parts(json!({"age": 15, "lang": "en", "x": [0, 0.0]}))[4], 1.0 / 3.0);
        let twice = tally(&profile, &[good.clone(), good]);
        assert_eq!((twice.duplicate_rows, twice.score), (0.5, 0.5));
    }

    #[test]
    fn a_feature_that_stopped_to_vary_is_found() {
        let varied: Vec<Value> = (0..40).map(|n| json!({"a": n, "b": 1}).into()).collect();
        let stuck: Vec<_> = (0..40).map(|n| json!({"a": 5, "b": 1, "n": n})).collect();
        let quality = tally(&FeatureProfile::of(&varied), &stuck);
        assert!((quality.constant_features - 1.0 / 3.0).abs() < 1e-12, "b was constant before");
        assert_eq!(tally(&FeatureProfile::default(), &stuck[..29]).constant_features, 0.0, "too few to tell");
    }

    #[test]
    fn vectors_have_a_dimension_a_length_and_numbers_that_vary() {
        let vector = |n: i64, dead: bool| json!({"x": [n as f64, if dead { 1.5 } else { (n % 7) as f64 }, 9.0]});
        let baseline: Vec<Value> = (1..=40).map(|n| vector(n, false).into()).collect();
        let profile = FeatureProfile::of(&baseline);
        let shape = profile.features["x"].vector.as_ref().unwrap();
        assert_eq!((shape.dimension, shape.constant_dimensions.iter().copied().collect::<Vec<_>>()), (3, vec![2]));
        let dead: Vec<_> = (1..=40).map(|n| vector(n, true)).collect();
        let found = tally(&profile, &dead);
        assert_eq!((found.dead_dimensions, found.constant_features, found.norm_shift), (1.0 / 3.0, 0.0, 0.0));
        assert!((found.score - 2.0 / 3.0).abs() < 1e-12, "the third was constant before");
        assert_eq!(tally(&profile, &dead[..29]).dead_dimensions, 0.0, "too few to tell");
        let parts = |row: serde_json::Value| {
            let it = tally(&profile, &[row]);
            [it.wrong_type, it.zero_norm, it.norm_shift]
        };
        assert_eq!(parts(json!({"x": [40.0, 6.0, 9.0]})), [0.0, 0.0, 0.0]);
        assert_eq!(parts(json!({"x": [80.0, 6.0, 9.0]})), [0.0, 0.0, 1.0]);
        assert_eq!(parts(json!({"x": [0.0, 0.0, 1.0]})), [0.0, 0.0, 1.0]);
        assert_eq!(parts(json!({"x": [0.0, 0.0, 0.0]})), [0.0, 1.0, 0.0]);
        assert_eq!(parts(json!({"x": [1.0, 2.0]})), [1.0, 0.0, 0.0]);
        assert_eq!(parts(json!({"x": [1.0, "two", 9.0]})), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn windows_add_up() {
        let profile = FeatureProfile::default();
        let row = |n: u64| PredictionRecord::new("a").features(json!({ "n": n, "m": null }));
        let (mut whole, mut part) = (QualityTally::default(), QualityTally::default());
        (0..5).for_each(|n| whole.add(&row(n), &profile));
        (0..5).for_each(|n| part.add(&row(n), &profile));
        whole.close();
        part.close();
        whole.merge(&part);
        let report = whole.report().unwrap();
        assert_eq!((report.rows, report.missing, report.score), (10, 0.5, 0.5));
    }
}
