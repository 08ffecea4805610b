//! What words mean that stand without quotes, in YAML and in the environment.

use crate::payload::Value;

/// The value of a word without quotes, by the core schema of YAML 1.2 (section 10.3.2): so `yes` and `off` are texts.
pub(super) fn plain(word: &str) -> Value {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(word).unwrap_or_else(|| Value::from(word)),
    }
}

fn number(word: &str) -> Option<Value> {
    let whole = match word.split_at_checked(2) {
        Some(("0x", digits)) if !digits.starts_with('+') => i64::from_str_radix(digits, 16).ok(),
        Some(("0o", digits)) if !digits.starts_with('+') => i64::from_str_radix(digits, 8).ok(),
        _ => word.parse().ok(),
    };
    if let Some(whole) = whole {
        return Some(Value::Int(whole));
    }
    // Rust reads `inf` and `nan` as numbers; here they are texts, and no key takes YAML's `.inf` and `.nan`.
    let fits = word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    word.parse().ok().filter(|_| fits).map(Value::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_yaml_says() {
        let cases = [
            ("", Value::Null),
            ("~", Value::Null),
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("300", Value::Int(300)),
            ("-7", Value::Int(-7)),
            ("0x1f", Value::Int(31)),
            ("0o17", Value::Int(15)),
            ("0.10", Value::Float(0.1)),
            (".5", Value::Float(0.5)),
            ("1e3", Value::Float(1_000.0)),
            ("99999999999999999999", Value::Float(1e20)),
        ];
        for (word, wanted) in cases {
            assert_eq!(plain(word), wanted, "{word}");
        }
        for word in
            ["yes", "off", "inf", "nan", ".inf", "NaN", "1_000", "5m", "0x", "0x+1", "-", ".", "e", "1.2.3", "ä1"]
        {
            assert_eq!(plain(word), Value::from(word));
        }
    }
}
