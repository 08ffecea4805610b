//! What a detector is given: the values of one feature.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::payload::Value;

/// The share of the values of a field above which they are taken for another type than those of the reference. Of a field
/// that holds numbers and texts by halves it is reached by chance in one of 5,000 samples of 50 rows, and never in larger ones.
const CLEARLY: f64 = 0.75;

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
            return Column::numbers_of(&values);
        }
        Column::categories_of(values)
    }

    /// The same of the type that the reference has: what is no number counts as missing among its numbers, and what is one is a
    /// text among its categories. Only where [`CLEARLY`] more of what is there is of the other type, the type has changed: a
    /// field that holds both by halves changes sides by chance.
    pub(super) fn of_values_beside(values: Vec<Option<Value>>, reference: Option<&Column>) -> Column {
        let there = values.iter().flatten().filter(|value| !value.is_null()).count() as f64;
        let numbers = values.iter().flatten().filter(|value| value.as_f64().is_some()).count() as f64;
        match reference {
            Some(Column::Numbers(_)) if there - numbers <= CLEARLY * there => Column::numbers_of(&values),
            Some(Column::Categories(_)) if numbers <= CLEARLY * there => Column::categories_of(values),
            _ => Column::of_values(values),
        }
    }

    fn numbers_of(values: &[Option<Value>]) -> Column {
        Column::Numbers(values.iter().map(|value| value.as_ref().and_then(Value::as_f64)).collect())
    }

    fn categories_of(values: Vec<Option<Value>>) -> Column {
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
    fn payload_values_are_of_the_type_of_the_reference_unless_they_are_clearly_of_another() {
        let values = |numbers: usize, texts: usize| {
            let number = (0..numbers).map(|n| Some(Value::from(n as u64)));
            number.chain((0..texts).map(|_| Some("n/a".into()))).chain([None]).collect::<Vec<_>>()
        };
        let is_of_numbers = |reference: &Column, values| {
            matches!(Column::of_values_beside(values, Some(reference)), Column::Numbers(_))
        };
        let (numbers, texts) = (Column::numbers([1.0]), Column::categories(["a"]));
        for (there, beside_numbers, beside_texts) in [
            ((1, 0), true, true),
            ((3, 1), true, false),
            ((2, 2), true, false),
            ((1, 3), true, false),
            ((1, 4), false, false),
        ] {
            assert_eq!(is_of_numbers(&numbers, values(there.0, there.1)), beside_numbers, "{there:?}");
            assert_eq!(is_of_numbers(&texts, values(there.0, there.1)), beside_texts, "{there:?}");
        }
        assert!(matches!(Column::of_values_beside(values(1, 2), None), Column::Categories(_)));
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
