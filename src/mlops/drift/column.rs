//! What a detector is given: the values of one feature.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::payload::Value;

/// The values of one feature, one per row. A row without a value is `None` and counted as missing.
///
/// ```
/// use driftline::mlops::drift::Column;
///
/// let price = Column::numbers([9.5, 12.0, f64::NAN]);
/// let lang = Column::categories(["en", "de"]);
/// let space = Column::vectors(vec![0.6, 0.8, 1.0, 0.0], 2)?;
/// assert_eq!((price.len(), lang.len(), space.len()), (3, 2, 2));
/// # Ok::<(), driftline::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers. `NaN` and infinities are counted apart and not judged.
    Numbers(Vec<Option<f64>>),
    /// Names of categories.
    Categories(Vec<Option<String>>),
    /// Vectors of one dimension, one behind the other. Those with a number that is not finite are counted apart.
    Vectors {
        /// The numbers of all vectors.
        values: Vec<f32>,
        /// Numbers of one vector.
        dimension: usize,
    },
}

/// Columns by the name of their feature.
pub type Columns = BTreeMap<String, Column>;

impl Column {
    /// Numbers, none of them missing.
    pub fn numbers(values: impl IntoIterator<Item = f64>) -> Column {
        Column::Numbers(values.into_iter().map(Some).collect())
    }

    /// Categories, none of them missing.
    pub fn categories<T: Into<String>>(values: impl IntoIterator<Item = T>) -> Column {
        Column::Categories(values.into_iter().map(|value| Some(value.into())).collect())
    }

    /// Vectors of `dimension` numbers each. Fails with `Invalid` when the last one is cut short.
    pub fn vectors(values: Vec<f32>, dimension: usize) -> Result<Column> {
        let column = Column::Vectors { values, dimension };
        column.check()?;
        Ok(column)
    }

    /// Refuses vectors that are not whole.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Column::Vectors { values, dimension } if *dimension == 0 || !values.len().is_multiple_of(*dimension) => {
                let message = format!("{} numbers are not vectors of {dimension}", values.len());
                Err(Error::invalid(message).mend("give the dimension of the vectors, and whole vectors"))
            }
            _ => Ok(()),
        }
    }

    /// Rows, those without a value too.
    pub fn len(&self) -> usize {
        match self {
            Column::Numbers(values) => values.len(),
            Column::Categories(values) => values.len(),
            Column::Vectors { values, dimension } => values.len() / (*dimension).max(1),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column with at most `rows` rows: those whose places have the smallest hashes, in their order. Columns of one
    /// length keep the same rows.
    pub(super) fn thinned(self, rows: usize) -> Column {
        if self.len() <= rows {
            return self;
        }
        let mut places: Vec<u64> = (0..self.len() as u64).collect();
        places.sort_unstable_by_key(|place| (xxh3_64(&place.to_le_bytes()), *place));
        places.truncate(rows);
        places.sort_unstable();
        let places = places.into_iter().map(|place| place as usize);
        match self {
            Column::Numbers(values) => Column::Numbers(places.map(|place| values[place]).collect()),
            Column::Categories(values) => Column::Categories(places.map(|place| values[place].clone()).collect()),
            Column::Vectors { values, dimension } => Column::Vectors {
                values: places.flat_map(|place| &values[place * dimension..][..dimension]).copied().collect(),
                dimension,
            },
        }
    }

    /// The column of values as payloads hold them: numbers where more than half of what is there are numbers, else
    /// categories, which are then the texts of the values. Null counts as missing, and among numbers whatever else is none.
    pub(in crate::mlops) fn of_values(values: Vec<Option<Value>>) -> Column {
        let there = values.iter().flatten().filter(|value| !value.is_null()).count();
        let numbers = values.iter().flatten().filter(|value| value.as_f64().is_some()).count();
        if 2 * numbers > there {
            return Column::Numbers(values.iter().map(|value| value.as_ref().and_then(Value::as_f64)).collect());
        }
        let text = |value: Value| match value {
            Value::Null => None,
            Value::Text(text) => Some(text),
            other => Some(other.to_string()),
        };
        Column::Categories(values.into_iter().map(|value| value.and_then(text)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_values_become_numbers_where_most_of_them_are() {
        let numbers = Column::of_values(vec![Some(1.into()), Some("n/a".into()), Some(Value::Null), Some(2.5.into())]);
        assert_eq!(numbers, Column::Numbers(vec![Some(1.0), None, None, Some(2.5)]));
        let texts = Column::of_values(vec![Some(1.into()), Some("a".into()), Some(true.into()), None]);
        let named = |text: &str| Some(text.to_owned());
        assert_eq!(texts, Column::Categories(vec![named("1"), named("a"), named("true"), None]));
        assert!(Column::of_values(Vec::new()).is_empty());
    }

    #[test]
    fn thinned_columns_keep_the_same_rows() {
        let numbers = Column::numbers((0..500).map(f64::from)).thinned(60);
        let texts = Column::categories((0..500).map(|n| n.to_string())).thinned(60);
        let vectors = Column::vectors((0..500).flat_map(|n| [n as f32; 3]).collect(), 3).unwrap().thinned(60);
        let (Column::Numbers(numbers), Column::Categories(texts)) = (numbers, texts) else { panic!() };
        let Column::Vectors { values, dimension } = vectors else { panic!() };
        assert!(numbers.len() == 60 && numbers.is_sorted() && dimension == 3);
        for (place, number) in numbers.iter().flatten().enumerate() {
            assert_eq!(texts[place], Some(number.to_string()));
            assert_eq!(f64::from(values[3 * place + 2]), *number);
        }
    }

    #[test]
    fn vectors_are_whole() {
        assert!(Column::vectors(vec![1.0; 5], 2).is_err() && Column::vectors(vec![1.0], 0).is_err());
        assert_eq!(Column::vectors(vec![1.0; 6], 2).unwrap().len(), 3);
    }
}
