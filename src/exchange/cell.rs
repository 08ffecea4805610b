//! Values in cells of text: what is JSON is that value, anything else is the text itself.
//!
//! Whole numbers of more than 64 bits stay texts, digit for digit. So `12`, `true` and `[1, 2]` are what they look like, `café` and `007` are texts, and a text that looks like JSON is
//! written in quotes.

use crate::key::Key;
use crate::payload::Value;

/// The value that a cell holds.
pub(super) fn read(cell: &str) -> Value {
    // Most texts are told by their first letter; the parser would refuse them more slowly.
    let first = cell.trim_start().bytes().next();
    let looks_like_json =
        first.is_some_and(|byte| matches!(byte, b'"' | b'[' | b'{' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'));
    match looks_like_json.then(|| Value::from_json(cell)) {
        Some(Ok(Value::Float(_))) if is_huge(cell.trim()) => Value::from(cell),
        Some(Ok(value)) => value,
        _ => Value::from(cell),
    }
}

/// Whether a number is whole and fits no integer. It names something, and as a float it would name something else.
fn is_huge(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    digits.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<i64>().is_err()
}

/// The key that a cell holds: what cannot be one as JSON is the text itself.
pub(super) fn key(cell: &str) -> Key {
    Key::try_from(read(cell)).unwrap_or_else(|_| Key::from(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_json_or_text() {
        assert_eq!(read("12"), Value::Int(12));
        assert_eq!(read("\"12\""), Value::from("12"));
        assert_eq!(read("[1]"), Value::from(vec![Value::Int(1)]));
        for text in
            ["007", "tea", "", " ", "1 2", "{a}", "nan", "-", "1e999", "98765432109876543210", "-9223372036854775809"]
        {
            assert_eq!(read(text), Value::from(text));
        }
        assert_eq!([read("18446744073709551615"), read("1e20")], [Value::from(u64::MAX), Value::from(1e20)]);
        assert_eq!(key("98765432109876543210"), Key::from("98765432109876543210"));
        assert_eq!(key("12"), Key::from(12u64));
        assert_eq!([key("-1"), key("\"12\""), key("true")], [Key::from("-1"), Key::from("12"), Key::from("true")]);
    }
}
