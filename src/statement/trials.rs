//! Statements about experiments and training: `experiment`, `retrain`.

use super::models::model_name;
use super::reader::Reader;
use super::serving::{Author, ExperimentClauses, ExperimentStatement, PowerQuestion, RetrainStatement};
use super::tree::Statement;
use super::values;
use crate::error::Result;

/// Days of runs that are shown unless told.
const HISTORY_DAYS: u32 = 7;

/// What is said of an experiment, and of a run of training, by somebody.
type ChangeExperiment = fn(String, Author) -> ExperimentStatement;
type ChangeRun = fn(String, u64, Author) -> RetrainStatement;

pub(super) fn experiment(reader: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Experiment(read_experiment(reader)?))
}

fn experiment_name(reader: &mut Reader<'_>) -> Result<String> {
    reader.text("the name of an experiment")
}

fn read_experiment(reader: &mut Reader<'_>) -> Result<ExperimentStatement> {
    if reader.is_at_end() {
        return Ok(ExperimentStatement::List);
    }
    if reader.keyword("create") {
        return create(reader);
    }
    if reader.keyword("power") {
        return power(reader);
    }
    let changes: [(&str, ChangeExperiment); 3] = [
        ("start", ExperimentStatement::Start),
        ("pause", ExperimentStatement::Pause),
        ("stop", ExperimentStatement::Stop),
    ];
    for (keyword, change) in changes {
        if reader.keyword(keyword) {
            return Ok(change(experiment_name(reader)?, Author::read(reader)?));
        }
    }
    if reader.keyword("tick") {
        return Ok(ExperimentStatement::Tick);
    }
    if reader.keyword("split") {
        let (name, share) = (experiment_name(reader)?, reader.number("a share such as 0.5")?);
        return Ok(ExperimentStatement::Split(name, share, Author::read(reader)?));
    }
    if reader.keyword("assign") {
        let (name, user) = (experiment_name(reader)?, reader.text("a user")?);
        let attributes = if reader.is_at_end() { None } else { Some(reader.json("the user's attributes, as JSON")?) };
        return Ok(ExperimentStatement::Assign(name, user, attributes));
    }
    if reader.keyword("outcome") {
        let (name, user) = (experiment_name(reader)?, reader.text("a user")?);
        return Ok(ExperimentStatement::Outcome(name, user, reader.text("a metric")?, reader.number("a number")?));
    }
    Ok(ExperimentStatement::Analyze(experiment_name(reader)?))
}

fn create(reader: &mut Reader<'_>) -> Result<ExperimentStatement> {
    let name = experiment_name(reader)?;
    reader.expect_keyword("on")?;
    let model = model_name(reader)?;
    let versions = [reader.text("a version")?, reader.text("a version")?];
    let mut clauses = ExperimentClauses::default();
    let mut begin = reader.at();
    while let Some(clause) = reader.clause()? {
        match clause {
            "split" => clauses.split = Some(reader.number("a share such as 0.3")?),
            "for" => clauses.length = Some(values::duration(reader)?),
            "samples" => clauses.samples = Some(reader.number("a count")?),
            "level" => clauses.level = Some(reader.number("a level such as 0.05")?),
            "metric" => clauses.primary = Some(metric(reader)?),
            "guardrail" => clauses.guardrails.push(metric(reader)?),
            "secondary" => clauses.secondary.push(metric(reader)?),
            "ramp" => clauses.ramp.push((values::duration(reader)?, reader.number("a share such as 0.5")?)),
            "effect" => clauses.effect = Some(reader.number("the smallest difference of interest")?),
            "segment" => clauses.segment = Some(reader.text("a filter, in quotes")?),
            other => {
                if !clauses.author.clause(other, reader)? {
                    return Err(reader.refuse(reader.span_from(begin), &format!("`{other}` belongs to power")));
                }
            }
        }
        begin = reader.at();
    }
    Ok(ExperimentStatement::Create(name, model, versions, Box::new(clauses)))
}

fn power(reader: &mut Reader<'_>) -> Result<ExperimentStatement> {
    let (base, lift) = (reader.number("the rate of A, such as 0.85")?, reader.number("a difference such as 0.03")?);
    let mut asked = PowerQuestion { base, lift, ..PowerQuestion::default() };
    let mut begin = reader.at();
    while let Some(clause) = reader.clause()? {
        let (field, wanted) = match clause {
            "split" => (&mut asked.split, "a share such as 0.3"),
            "level" => (&mut asked.level, "a level such as 0.05"),
            "chance" => (&mut asked.chance, "a chance such as 0.8"),
            "daily" => (&mut asked.daily, "a number of users"),
            "deviation" => (&mut asked.deviation, "a standard deviation"),
            other => return Err(reader.refuse(reader.span_from(begin), &format!("`{other}` belongs to create"))),
        };
        *field = Some(reader.number(wanted)?);
        begin = reader.at();
    }
    Ok(ExperimentStatement::Power(asked))
}

/// A metric: its name, then `mean` where its values are any numbers, and `lower` where lower ones are better.
fn metric(reader: &mut Reader<'_>) -> Result<(String, bool, bool)> {
    let name = reader.text("a metric")?;
    let mean = reader.keyword("mean");
    Ok((name, mean, reader.keyword("lower")))
}

pub(super) fn retrain(reader: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Retrain(read_retrain(reader)?))
}

fn read_retrain(reader: &mut Reader<'_>) -> Result<RetrainStatement> {
    if reader.is_at_end() {
        return Ok(RetrainStatement::List);
    }
    if reader.keyword("configure") {
        let model = model_name(reader)?;
        return Ok(RetrainStatement::Configure(
            model,
            reader.json("what differs from the defaults")?,
            Author::read(reader)?,
        ));
    }
    if reader.keyword("force") {
        return Ok(RetrainStatement::Force(model_name(reader)?, Author::read(reader)?));
    }
    let changes: [(&str, ChangeRun); 2] =
        [("approve", RetrainStatement::Approve), ("reject", RetrainStatement::Reject)];
    for (keyword, change) in changes {
        if reader.keyword(keyword) {
            let (model, number) = (model_name(reader)?, reader.number("the number of a run")?);
            return Ok(change(model, number, Author::read(reader)?));
        }
    }
    if reader.keyword("tick") {
        return Ok(RetrainStatement::Tick);
    }
    let model = model_name(reader)?;
    let mut days = HISTORY_DAYS;
    while reader.clause()?.is_some() {
        days = reader.number("a number of days")?;
    }
    Ok(RetrainStatement::History(model, days))
}
