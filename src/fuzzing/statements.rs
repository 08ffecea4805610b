//! Scripts: any text is read or refused, an error points into the text, and statements alone mean what they mean in
//! company.

use super::Seed;
use crate::payload::Value;
use crate::statement::{Params, Piece, Statement, parse, parse_at, pieces};

/// Reads `data` as a script.
pub fn statement(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let params = Params::from([
        ("k".into(), 7.into()),
        ("v".into(), vec![Value::from(1), Value::from(0.5)].into()),
        ("t".into(), "ff00".into()),
    ]);
    let mut end = 0;
    let mut read = Ok(Vec::new());
    for piece in pieces(text) {
        let span = piece.span();
        assert!(span.start >= end && span.start < span.end && text.get(span.clone()).is_some(), "{piece:?}");
        end = span.end;
        let one = match piece {
            Piece::Command(_) => None,
            Piece::Statement(_) | Piece::Open { .. } => Some(parse_at(text, span.clone(), &params)),
        };
        read = match (read, one) {
            (Ok(mut read), Some(Ok(statement))) => {
                read.push((statement, span));
                Ok(read)
            }
            (Ok(_), Some(Err(error))) => Err(error.span()),
            (Ok(_), None) => Err(Some(span)),
            (failed, _) => failed,
        };
    }
    let whole: Result<Vec<(Statement, _)>, _> = parse(text, &params).map_err(|error| error.span());
    assert_eq!(whole, read, "statements mean the same alone and in company");
    if let Err(span) = whole {
        let span = span.unwrap_or_else(|| panic!("an error points nowhere in {text:?}"));
        assert!(text.get(span.clone()).is_some(), "{span:?} is no part of {text:?}");
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    let examples = crate::statement::VERBS.iter().flat_map(|verb| verb.examples.iter().copied());
    let examples: Vec<&str> = examples.collect();
    let seed = |name, text: &str| Seed { name, bytes: text.as_bytes().to_vec() };
    vec![
        seed("examples", &(examples.join(";\n") + ";")),
        seed(
            "search",
            "find d near [0.1, -2e3] where a.b in [1, 'x'] and not @key = 7 limit 10 within 0.5 select a, b",
        ),
        seed(
            "records",
            "put d $k $v {\"a\": [\"\\\"\", null]} ttl 1h if absent; patch d set a.b = 'it''s' where c is null;",
        ),
        seed("comments", "-- é; one\n.mode json\ncount `a b` where x = \"--\"; -- end"),
        seed("files", "import 'a.npy' into b create l2 labels 'l' as x keys from 7; find b near file('q')[3];"),
        seed("bits", "find h near 0xff00; find h near $t; get h 0x00ff"),
    ]
}
