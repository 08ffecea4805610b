//! The commands of the shell, as help and completion know them.

/// A command: its word, what follows, what it does.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) argument: &'static str,
    pub(crate) summary: &'static str,
}

const fn command(name: &'static str, argument: &'static str, summary: &'static str) -> Command {
    Command { name, argument, summary }
}

/// Every command, in the order of their names.
pub(crate) const COMMANDS: &[Command] = &[
    command(".bail", "on|off", "whether a script ends at its first error"),
    command(".collections", "", "list the collections"),
    command(".exit", "[CODE]", "leave"),
    command(".explain", "on|off", "explain every search after its answer"),
    command(".help", "[VERB]", "this list, or a page about a statement"),
    command(".history", "[N]", "the last statements typed"),
    command(".mode", "FORMAT", "how answers are printed: table, box, json, jsonl, csv or line"),
    command(".open", "[PATH]", "close this store and open another; in memory without a path"),
    command(".output", "[FILE]", "write answers to a file; to the screen again without one"),
    command(".param", "[set NAME VALUE]", "values for $NAME in statements"),
    command(".progress", "on|off", "show how far long statements are"),
    command(".read", "FILE", "run the statements of a file"),
    command(".schema", "[COLLECTION]", "the statements that would create the collections"),
    command(".stats", "", "sizes, counts and positions"),
    command(".timer", "on|off", "say how long each statement took"),
    command(".version", "", "the version of the program"),
    command(".watch", "SECONDS", "repeat the last statement until Ctrl-C"),
    command(".width", "[N]", "columns that a table may take; those of the terminal without N"),
];
