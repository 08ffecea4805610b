//! One text for values that mean the same, and one key for the inputs of a model.

use serde_json::{Map, Number, Value as Json};
use sha2::{Digest, Sha256};

use crate::key::Key;
use crate::mlops::model::ModelId;

/// Whole numbers up to this are the same as text whether they came as integers or as floats: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The canonical text of features, or of a label (frozen): JSON without white space, fields sorted by name, and a float that is a whole
/// number of at most 2^53 written as an integer. So `{"b": 1.0, "a": 2}` and `{"a": 2, "b": 1}` are the same.
pub(super) fn text(features: &Json) -> String {
    normal(features).to_string()
}

fn normal(value: &Json) -> Json {
    match value {
        Json::Number(number) => Json::Number(whole(number).unwrap_or_else(|| number.clone())),
        Json::Array(values) => Json::Array(values.iter().map(normal).collect()),
        Json::Object(fields) => {
            let mut sorted: Vec<(&String, &Json)> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            let sorted = sorted.into_iter().map(|(name, value)| (name.clone(), normal(value)));
            Json::Object(sorted.collect::<Map<String, Json>>())
        }
        other => other.clone(),
    }
}

fn whole(number: &Number) -> Option<Number> {
    let value = number.as_f64().filter(|_| number.is_f64())?;
    (value.fract() == 0.0 && value.abs() <= EXACT).then(|| Number::from(value as i64))
}

/// The key of an input of a model (frozen): the SHA-256 over the model's name, the byte 0x1f, its version, the byte 0x1f,
/// and the input.
pub(super) fn key(model: &ModelId, input: &str) -> Key {
    let mut hash = Sha256::new();
    for part in [model.name().as_bytes(), &[0x1f], model.version().as_bytes(), &[0x1f], input.as_bytes()] {
        hash.update(part);
    }
    Key::from(hash.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_means_the_same_has_one_text() {
        assert_eq!(text(&json!({"b": 1.0, "a": [2, -0.0, 1.5]})), r#"{"a":[2,0,1.5],"b":1}"#);
        assert_eq!(text(&json!({"a": {"y": 1, "x": 2}})), text(&json!({"a": {"x": 2.0, "y": 1.0}})));
        for (a, b) in
            [(json!("1"), json!(1)), (json!(null), json!({})), (json!([1, 2]), json!([2, 1])), (json!(1), json!(true))]
        {
            assert_ne!(text(&a), text(&b));
        }
        assert_eq!(text(&json!(1e300)), "1e+300");
    }

    #[test]
    fn a_model_and_its_version_are_part_of_the_key() {
        let of = |name: &str, version: &str| key(&ModelId::new(name, version).unwrap(), "text");
        let keys = [of("a", "1"), of("a", "2"), of("b", "1"), of("a1", "1")];
        assert!((0..4).all(|i| (0..i).all(|j| keys[i] != keys[j])));
    }
}
