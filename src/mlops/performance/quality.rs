//! Data quality: what is wrong with the features that predictions were made from.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::prediction::{PredictionRecord, cells};
use super::repeats::{LEAST_CHANCE, Repeats, chance_of_none};
use super::vectors::{OpenVector, VectorShape, norm};
use crate::payload::{self, Value};

/// A text feature with more values than this is no category.
const MAX_CATEGORIES: usize = 256;
/// Features beyond so many are not looked at.
const MAX_FEATURES: usize = 1_000;
/// A window needs so many rows for a feature to be called constant.
const LEAST_FOR_CONSTANT: u64 = 30;
/// Different rows that are looked at to tell whether a feature is a measurement.
const MOST_DIFFERENT: usize = 256;

/// What features look like when all is well, learned from a baseline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureProfile {
    /// By the names of features.
    pub features: BTreeMap<String, FeatureShape>,
    /// How often rows are the same.
    #[serde(default)]
    pub repeats: Repeats,
}

/// What one feature looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureShape {
    /// `number`, `text`, `bool`, `array` or `object`; `mixed` where it is not always the same.
    pub kind: String,
    /// The least and the greatest number.
    pub range: Option<(f64, f64)>,
    /// The values of a text, where they are at most 256 and come again; not those of names and ids.
    pub categories: Option<BTreeSet<String>>,
    /// Whether it always has the same value.
    pub constant: bool,
    /// Rows that have it.
    #[serde(default)]
    pub rows: u64,
    /// Rows that have its most frequent value.
    #[serde(default)]
    pub commonest: u64,
    /// How many values it may have: those that were seen where they come again, the whole numbers of its range where these
    /// hardly do; none where there is no telling.
    #[serde(default)]
    pub kinds: Option<u64>,
    /// Of vectors of one dimension.
    #[serde(default)]
    pub vector: Option<VectorShape>,
}

impl FeatureProfile {
    /// What the features of these rows look like; nulls tell nothing.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Value>) -> FeatureProfile {
        let mut columns: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        let mut hashes = Vec::new();
        for row in rows {
            hashes.push(hash(row));
            for (name, value) in cells(row).filter(|(_, value)| !value.is_null()) {
                columns.entry(name).or_default().push(value);
            }
        }
        let shapes = columns.into_iter().take(MAX_FEATURES);
        FeatureProfile {
            features: shapes.map(|(name, values)| (name, FeatureShape::of(&values))).collect(),
            repeats: Repeats::of(hashes),
        }
    }

    /// How many different rows there may be.
    fn kinds(&self) -> f64 {
        self.features.values().map(|shape| shape.kinds.map_or(f64::INFINITY, |kinds| kinds.max(1) as f64)).product()
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
        let mut times: HashMap<u64, u64> = HashMap::new();
        values.iter().for_each(|value| *times.entry(hash(value)).or_default() += 1);
        let (rows, different) = (values.len() as u64, times.len() as u64);
        let hardly_repeats = different * 2 > rows;
        let names = hardly_repeats && rows >= LEAST_FOR_CONSTANT;
        let whole = |value: &&Value| value.as_f64().is_some_and(|number| number.fract() == 0.0);
        let span = range.filter(|_| values.iter().all(whole)).map(|(least, most)| most - least + 1.0);
        FeatureShape {
            kind: if kinds.len() == 1 { kinds.first().copied().unwrap_or("mixed").into() } else { "mixed".into() },
            range,
            categories: (!texts.is_empty() && texts.len() <= MAX_CATEGORIES && !names).then_some(texts),
            constant: values.windows(2).all(|pair| pair[0] == pair[1]),
            rows,
            commonest: times.into_values().max().unwrap_or(0),
            kinds: if hardly_repeats { span.map(|span| span as u64) } else { Some(different) },
            vector: VectorShape::of(values),
        }
    }

    /// The chance that so many rows have one value.
    fn chance_of_one_value(&self, rows: u64) -> f64 {
        chance_of_none(self.rows, self.rows.saturating_sub(self.commonest), rows)
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
    rows: u64,
    seen: HashSet<u64>,
    columns: BTreeMap<String, Column>,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    first: u64,
    varies: bool,
    rows: u64,
    /// Different values that are no whole numbers, of the first different rows.
    fractions: HashSet<u64>,
    vector: Option<OpenVector>,
}

impl OpenWindow {
    /// Rows that are the same as an earlier one, more than chance makes. Where nothing is known of how often rows repeat,
    /// those of flags and categories may, and those of measurements may not.
    fn duplicates(&self, profile: &FeatureProfile) -> u64 {
        let repeats = self.rows - self.seen.len() as u64;
        if !profile.repeats.is_empty() {
            return profile.repeats.too_many(repeats, self.rows, profile.kinds());
        }
        let looked_at = self.seen.len().min(MOST_DIFFERENT);
        let hardly_repeat = |column: &Column| column.fractions.len() * 2 > looked_at;
        let measured = self.seen.len() as u64 >= LEAST_FOR_CONSTANT && self.columns.values().any(hardly_repeat);
        // What comes so often is nobody's mistake but its nature.
        let often = repeats > 3 * self.seen.len() as u64;
        if measured && !often { repeats } else { 0 }
    }
}

impl QualityTally {
    /// Looks at the features of a row.
    pub(super) fn add(&mut self, record: &PredictionRecord, profile: &FeatureProfile) {
        self.rows += 1;
        self.open.rows += 1;
        let is_new = self.open.seen.insert(hash(&record.features)) && self.open.seen.len() <= MOST_DIFFERENT;
        let mut present = BTreeSet::new();
        for (name, value) in cells(&record.features).take(MAX_FEATURES) {
            self.judge(record, &name, value, profile.features.get(&name));
            self.note(&name, value, profile.features.get(&name), is_new && profile.repeats.is_empty());
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

    /// Remembers whether a feature varies and, if it is asked for, whether it is a measurement.
    fn note(&mut self, name: &str, value: &Value, shape: Option<&FeatureShape>, measured: bool) {
        let columns = &mut self.open.columns;
        if columns.len() >= MAX_FEATURES && !columns.contains_key(name) {
            return;
        }
        let hash = hash(value);
        let column = columns.entry(name.to_owned());
        let column = column.or_insert_with(|| Column {
            first: hash,
            varies: false,
            rows: 0,
            fractions: HashSet::new(),
            vector: OpenVector::of(value, shape.and_then(|shape| shape.vector.as_ref())),
        });
        column.rows += 1;
        column.varies |= column.first != hash;
        if measured && has_fraction(value) {
            column.fractions.insert(hash);
        }
        column.vector.iter_mut().for_each(|vector| vector.note(value));
    }

    /// Ends the window: which features were constant in it is known, and how often rows came.
    pub(super) fn close(&mut self, profile: &FeatureProfile) {
        let open = std::mem::take(&mut self.open);
        self.duplicate_rows += open.duplicates(profile);
        let looked_at = open.columns.iter().filter(|(_, column)| column.rows >= LEAST_FOR_CONSTANT);
        for (name, column) in looked_at {
            self.columns += 1;
            let chance = || profile.features.get(name).map_or(1.0, |shape| shape.chance_of_one_value(column.rows));
            self.constant_columns += u64::from(!column.varies && chance() < LEAST_CHANCE);
            if let Some(vector) = &column.vector {
                self.dimensions += vector.dimension();
                self.dead_dimensions += vector.dead(column.rows);
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
///
/// What sound data shows by chance is no finding. Rows of flags, categories and small numbers repeat, and what seldom varies has
/// one value for a while: only what the baseline makes improbable counts.
///
/// Without a baseline, nothing is of the wrong type, out of range, unseen or of an unusual length, no feature is known to have
/// varied, only what is null is missing, and rows are duplicates where some feature is a measurement: numbers with fractions,
/// or vectors of such, most of which are different.
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
    /// Texts that are not among those of the baseline, where these are at most 256 and come again.
    pub unseen_category: f64,
    /// Vectors of zeros.
    pub zero_norm: f64,
    /// Vectors that are shorter or longer (L2) than all of the baseline, by more than a hundredth.
    pub norm_shift: f64,
    /// Rows that are the same as an earlier one of their window, beyond those that chance makes: three standard deviations more
    /// than the baseline lets expect of so many rows, or than its features have values for.
    pub duplicate_rows: f64,
    /// Features that had one value in a window of at least 30 rows, and varied so much in the baseline that the chance of it is
    /// below 0.001.
    pub constant_features: f64,
    /// Dimensions of vectors that had one value in a window of at least 30 rows, and were not as likely to as that by the
    /// baseline.
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

/// Whether it is a number that is not whole, or a vector with such numbers.
fn has_fraction(value: &Value) -> bool {
    let fraction = |value: &Value| value.as_f64().is_some_and(|number| number.fract() != 0.0);
    fraction(value) || value.as_array().is_some_and(|values| values.iter().any(fraction))
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
        tally.close(profile);
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
    fn what_seldom_varies_may_rest_for_a_while() {
        let flag = |every: u64| move |n: u64| json!({"flag": n.is_multiple_of(every), "mostly": [u64::from(n.is_multiple_of(every)), n], "n": n});
        let rows = |count: u64, of: &dyn Fn(u64) -> serde_json::Value| (0..count).map(of).collect::<Vec<_>>();
        let learned =
            |every| FeatureProfile::of(&rows(1_000, &flag(every)).into_iter().map(Value::from).collect::<Vec<_>>());
        let still: Vec<_> = (0..100u64).map(|n| json!({"flag": false, "mostly": [0, n], "n": n})).collect();
        let found = |every| {
            let it = tally(&learned(every), &still);
            (it.constant_features, it.dead_dimensions)
        };
        // Of 1,000 rows 10 and 100 were otherwise: none of 100 is by a chance of 0.4 and of 0.00007.
        assert_eq!(found(100), (0.0, 0.0));
        assert_eq!(found(10), (1.0 / 3.0, 0.5));
        assert_eq!(
            tally(&FeatureProfile::default(), &still).constant_features,
            0.0,
            "nothing says that it ever varied"
        );
    }

    #[test]
    fn names_and_ids_are_no_categories() {
        let ids: Vec<Value> = (0..60).map(|n| json!({"id": format!("u{n}"), "lang": "en"}).into()).collect();
        let profile = FeatureProfile::of(&ids);
        let found = tally(&profile, &[json!({"id": "u1000", "lang": "de"})]);
        assert_eq!(found.unseen_category, 0.5, "the language alone");
    }

    #[test]
    fn rows_of_measurements_are_duplicates_without_a_baseline_and_those_of_flags_are_not() {
        let none = FeatureProfile::default();
        let twice = |rows: Vec<serde_json::Value>| tally(&none, &[rows.clone(), rows].concat()).duplicate_rows;
        assert_eq!(
            twice((0..100u64).map(|n| json!({"x": (n as f64).sqrt() + 0.1, "flag": n % 2 == 0})).collect()),
            0.5
        );
        assert_eq!(twice((0..100u64).map(|n| json!({"x": [(n as f64).sqrt() + 0.1, 1.0]})).collect()), 0.5);
        assert_eq!(twice((0..100).map(|n| json!({"age": n % 40, "flag": n % 3 == 0})).collect()), 0.0);
        assert_eq!(twice((0..1_000).map(|n| json!({"warm": f64::from(n % 60) / 4.0})).collect()), 0.0);
        assert_eq!(twice((0..29).map(|n| json!({"x": f64::from(n) + 0.1})).collect()), 0.0, "too few to tell");
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
        whole.close(&profile);
        part.close(&profile);
        whole.merge(&part);
        let report = whole.report().unwrap();
        assert_eq!((report.rows, report.missing, report.score), (10, 0.5, 0.5));
    }
}
