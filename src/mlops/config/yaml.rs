//! YAML as a tree.

use std::collections::HashSet;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::plain::plain;
use super::tree::{Entry, MAX_LEVELS, Node, unreadable};
use crate::error::{Error, Result};
use crate::payload::Value;

/// The entries of a document: one mapping, or nothing. Anchors, aliases and tags are refused, so a file is never larger
/// than it looks.
pub(super) fn read(text: &str, file: &str) -> Result<Vec<Entry>> {
    let options = granit_parser::options! { flow_nesting_limit: MAX_LEVELS, block_nesting_limit: MAX_LEVELS };
    let mut reader = Reader { events: Parser::new_from_str_with_options(text, options), file };
    let mut entries = Vec::new();
    let mut documents = 0;
    while let Some((event, line)) = reader.next()? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(..) if documents > 0 => {
                return Err(unreadable(file, line, "a second document begins").mend("keep one document in a file"));
            }
            Event::DocumentStart(..) => documents += 1,
            event => {
                entries = match reader.node(event, line)? {
                    Node::Section(entries) => entries,
                    Node::Value(Value::Null) => Vec::new(),
                    Node::Value(_) => return Err(unreadable(file, line, "the file holds a value").mend(SECTIONS)),
                }
            }
        }
    }
    Ok(entries)
}

const SECTIONS: &str = "write sections, such as `monitoring:`, and keys under them";

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    file: &'t str,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, u32)>> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, line(&span)))),
            Some(Err(error)) => {
                let line = error.marker().line().try_into().unwrap_or(u32::MAX);
                Err(unreadable(self.file, line, format!("this is no YAML: {}", error.info()))
                    .mend("mend the line, or the one before it"))
            }
        }
    }

    /// The event within a collection: the stream cannot end there.
    fn inside(&mut self) -> Result<(Event<'t>, u32)> {
        self.next()?.ok_or_else(|| Error::internal("a YAML stream ended within a collection").at(self.file))
    }

    fn node(&mut self, event: Event<'t>, line: u32) -> Result<Node> {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, 0, None) => Ok(Node::Value(plain(&text))),
            Event::Scalar(text, _, 0, None) => Ok(Node::Value(Value::from(&*text))),
            Event::SequenceStart(_, 0, None) => self.list().map(Node::Value),
            Event::MappingStart(_, 0, None) => self.section().map(Node::Section),
            _ => Err(self.extra(line)),
        }
    }

    fn list(&mut self) -> Result<Value> {
        let mut values = Vec::new();
        loop {
            match self.inside()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(values)),
                (event, line) => values.push(self.node(event, line)?.into_value()),
            }
        }
    }

    fn section(&mut self) -> Result<Vec<Entry>> {
        let (mut entries, mut names) = (Vec::new(), HashSet::new());
        loop {
            let (name, line) = match self.inside()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(name, _, 0, None), line) => (name.into_owned(), line),
                (Event::Scalar(..) | Event::Alias(_), line) => return Err(self.extra(line)),
                (_, line) => return Err(unreadable(self.file, line, "a name is no text").mend("write a word")),
            };
            if !names.insert(name.clone()) {
                return Err(unreadable(self.file, line, format!("`{name}` stands here twice")).mend("remove one"));
            }
            let (event, at) = self.inside()?;
            let node = self.node(event, at)?;
            entries.push(Entry { name, line, node });
        }
    }

    fn extra(&self, line: u32) -> Error {
        unreadable(self.file, line, "anchors, aliases and tags are not taken").mend("write the value itself")
    }
}

fn line(span: &Span) -> u32 {
    span.start.line().try_into().unwrap_or(u32::MAX)
}
