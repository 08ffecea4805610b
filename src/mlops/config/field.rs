//! Fields of a configuration, whatever their type.

use std::time::Duration;

use crate::payload::Value;

/// A field that a key stands for. It takes what [`Kind::accept`](super::kind::Kind::accept) gives, and nothing else.
pub(super) trait Field {
    fn set(&mut self, value: Value);
    fn get(&self) -> Value;
}

impl Field for f64 {
    fn set(&mut self, value: Value) {
        *self = value.as_f64().unwrap_or(*self);
    }

    fn get(&self) -> Value {
        Value::Float(*self)
    }
}

impl Field for u64 {
    fn set(&mut self, value: Value) {
        *self = value.as_u64().unwrap_or(*self);
    }

    fn get(&self) -> Value {
        Value::from(*self)
    }
}

impl Field for usize {
    fn set(&mut self, value: Value) {
        *self = value.as_u64().map_or(*self, |count| usize::try_from(count).unwrap_or(usize::MAX));
    }

    fn get(&self) -> Value {
        Value::from(*self)
    }
}

/// As a number of seconds.
impl Field for Duration {
    fn set(&mut self, value: Value) {
        let seconds = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        *self = seconds.unwrap_or(*self);
    }

    fn get(&self) -> Value {
        Value::Float(self.as_secs_f64())
    }
}

impl Field for bool {
    fn set(&mut self, value: Value) {
        *self = value.as_bool().unwrap_or(*self);
    }

    fn get(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Field for String {
    fn set(&mut self, value: Value) {
        if let Value::Text(text) = value {
            *self = text;
        }
    }

    fn get(&self) -> Value {
        Value::from(&**self)
    }
}

impl Field for Vec<String> {
    fn set(&mut self, value: Value) {
        if let Value::Array(values) = value {
            *self = values.iter().filter_map(|value| value.as_text().map(str::to_owned)).collect();
        }
    }

    fn get(&self) -> Value {
        Value::Array(self.iter().map(|text| Value::from(&**text)).collect())
    }
}

/// `Null` is off.
impl<T: Field + Default> Field for Option<T> {
    fn set(&mut self, value: Value) {
        *self = match value {
            Value::Null => None,
            value => {
                let mut inner = T::default();
                inner.set(value);
                Some(inner)
            }
        };
    }

    fn get(&self) -> Value {
        self.as_ref().map_or(Value::Null, Field::get)
    }
}
