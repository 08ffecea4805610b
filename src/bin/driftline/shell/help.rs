//! Help: a list of the statements, or a page about one, from the table that the parser uses.

use driftline::statement::{NOTATION, VERBS, Verb};

use super::table::COMMANDS;
use crate::failure::{Failure, Outcome};
use crate::render::{self, Output};
use crate::screen;

/// Text is wrapped at this width, or at the terminal's where that is less.
const WIDTH: usize = 100;

/// Prints the list, or the page of a verb or command.
pub(crate) fn print(topic: Option<&str>, output: &mut Output) -> Outcome {
    let width = output.columns().unwrap_or(80).min(WIDTH);
    match topic {
        None => overview(output, width),
        Some(topic) => match Verb::named(topic) {
            Some(verb) => page(verb, output, width),
            None => about_command(topic, output, width),
        },
    }
}

fn overview(output: &mut Output, width: usize) -> Outcome {
    output.line(&output.style.bold("Statements end with `;`"))?;
    output.line(&render::listed(VERBS.iter().map(|verb| (verb.name.to_owned(), verb.summary.to_owned())), width))?;
    output.line("")?;
    output.line(&output.style.bold("Commands stand in a line of their own"))?;
    let commands = COMMANDS.iter().map(|it| (format!("{} {}", it.name, it.argument), it.summary.to_owned()));
    output.line(&render::listed(commands, width))?;
    output.line("")?;
    output.line(&screen::wrapped(
        "`help find` explains a statement, `it` shows more of the last answer, `exit` leaves.",
        width,
    ))
}

fn page(verb: &Verb, output: &mut Output, width: usize) -> Outcome {
    output.line(&format!("{}\n", screen::wrapped(verb.summary, width)))?;
    output.line(&format!("  {}", output.style.bold(verb.head)))?;
    if !verb.clauses.is_empty() {
        let clauses = verb.clauses.iter().map(|it| (format!("{} {}", it.keyword, it.argument), it.summary.to_owned()));
        output.line(&render::listed(clauses, width))?;
    }
    let speaks_of = |word: &str| verb.head.contains(word) || verb.clauses.iter().any(|it| it.argument.contains(word));
    let notation =
        NOTATION.iter().zip(["KEY", "VECTOR"]).filter(|(text, word)| speaks_of(word) && **text != verb.details);
    let details = Some(&verb.details).filter(|it| !it.is_empty()).into_iter().chain(notation.map(|(text, _)| text));
    for text in details {
        output.line(&format!("\n{}", screen::wrapped(text, width)))?;
    }
    output.line("\nFor example:")?;
    verb.examples.iter().try_for_each(|example| output.line(&format!("  {example};")))
}

fn about_command(topic: &str, output: &mut Output, width: usize) -> Outcome {
    let name = format!(".{}", topic.trim_start_matches('.'));
    let Some(command) = COMMANDS.iter().find(|it| it.name.eq_ignore_ascii_case(&name)) else {
        return Err(Failure::failed(format!("there is no help about {topic}; `help` lists what there is")));
    };
    output.line(&screen::wrapped(&format!("{} {}: {}", command.name, command.argument, command.summary), width))
}
