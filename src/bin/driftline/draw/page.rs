//! The frame of a page.

use super::plots::{self, SERIES};

const STYLE: &str = include_str!("page.css");

/// A page with this title and content.
pub(crate) fn whole(title: &str, content: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{content}</main>\n</body>\n</html>\n",
        plots::roles(),
    )
}

/// The names of series, each with its colour.
pub(crate) fn legend(names: &[&str]) -> String {
    let entry = |(number, name): (usize, &&str)| {
        format!("<span><i class=\"dot c{}\"></i>{}</span>", number % SERIES, escaped(name))
    };
    format!("<p class=\"legend\">{}</p>\n", names.iter().enumerate().map(entry).collect::<String>())
}

/// Text as HTML shows it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
