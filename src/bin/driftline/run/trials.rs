//! `experiment` and `retrain`: versions beside each other, and training.

use driftline::mlops::{
    Analysis, Assignment, Experiment, ExperimentConfig, ExperimentMetric, ExperimentSize, Experiments, Goal,
    MetricResult, PowerCalculator, RetrainConfig, RetrainEvent, Retraining, SampleRatioCheck,
};
use driftline::statement::{ExperimentClauses, ExperimentStatement, PowerQuestion, RetrainStatement};
use driftline::{Error, ErrorKind, Value, json};
use serde::Serialize;

use super::models::change;
use crate::failure::Outcome;
use crate::render::{self, Plain};
use crate::session::Session;

pub(super) fn experiment(session: &mut Session, asked: &ExperimentStatement) -> Outcome {
    match asked {
        ExperimentStatement::List => return experiments(session),
        ExperimentStatement::Analyze(name) => return analysis(session, name),
        ExperimentStatement::Power(asked) => return power(session, asked),
        ExperimentStatement::Create(name, model, versions, clauses) => {
            let config = config(name, model, versions, clauses)?;
            config.warnings().iter().for_each(|warning| session.note(warning));
            let created = session.store.making()?.experiments().create(config, change(&clauses.author))?;
            return session.output.one(&created, || standing(&created));
        }
        _ => {}
    }
    let experiments = session.store.writing()?.experiments();
    let changed = match asked {
        ExperimentStatement::Start(name, author) => experiments.start(name, change(author))?,
        ExperimentStatement::Pause(name, author) => experiments.pause(name, change(author))?,
        ExperimentStatement::Stop(name, author) => experiments.stop(name, change(author))?,
        ExperimentStatement::Split(name, share, author) => experiments.set_split(name, *share, change(author))?,
        other => return use_of(session, &experiments, other),
    };
    session.output.one(&changed, || standing(&changed))
}

fn power(session: &mut Session, asked: &PowerQuestion) -> Outcome {
    let calculator = match asked.deviation {
        Some(deviation) => PowerCalculator::of_mean(asked.lift, deviation),
        None => PowerCalculator::of_rate(asked.base, asked.lift),
    };
    let calculator = asked.split.iter().fold(calculator, |it, share| it.split(*share));
    let calculator = asked.level.iter().fold(calculator, |it, level| it.level(*level));
    let calculator = asked.chance.iter().fold(calculator, |it, chance| it.power(*chance));
    let calculator = asked.daily.iter().fold(calculator, |it, users| it.users_per_day(*users));
    let size = calculator.size()?;
    session.output.one(&size, || sized(&size))
}

/// How many users it takes, for people.
fn sized(size: &ExperimentSize) -> String {
    let days = |days: Option<u64>| days.map_or_else(String::new, |days| format!(", {}", render::counted(days, "day")));
    let [a, b, both] = [size.users_a, size.users_b, size.users_always_valid].map(render::count);
    let pairs = [
        ("looking once, at the end", format!("{a} users of A and {b} of B{}", days(size.days))),
        ("looking at any time", format!("at most {both} users of both{}", days(size.days_always_valid))),
    ];
    render::pairs(pairs.into_iter().chain(size.warnings.iter().map(|warning| ("mind", warning.clone()))))
}

/// What users of an experiment bring about.
fn use_of(session: &mut Session, experiments: &Experiments, asked: &ExperimentStatement) -> Outcome {
    match asked {
        ExperimentStatement::Assign(name, user, attributes) => {
            let attributes = attributes.clone().map_or(Value::Null, Value::from);
            let assigned = experiments.assign(name, user, attributes)?;
            session.output.one(&assigned, || told(user, &assigned))
        }
        ExperimentStatement::Outcome(name, user, metric, value) => {
            experiments.record_outcome(name, user, metric, *value)?;
            session
                .output
                .one(&json!({"user": user, "metric": metric, "value": value}), || format!("noted {metric} of {user}"))
        }
        _ => {
            let stopped = experiments.tick()?;
            let told =
                if stopped.is_empty() { "none is over".to_owned() } else { format!("stopped {}", stopped.join(", ")) };
            session.output.one(&json!({ "stopped": stopped }), || told)
        }
    }
}

fn told(user: &str, assigned: &Assignment) -> String {
    let counted = if assigned.counted { "" } else { "; not counted" };
    render::plain(&format!("{user} gets {:?}, version {}{counted}", assigned.variant, assigned.version))
}

fn config(name: &str, model: &str, [a, b]: &[String; 2], clauses: &ExperimentClauses) -> Outcome<ExperimentConfig> {
    let mut config = ExperimentConfig::new(name, model, &**a, &**b);
    config = clauses.split.iter().fold(config, |config, share| config.traffic_split(*share));
    config = clauses.length.iter().fold(config, |config, length| config.duration(*length));
    config = clauses.samples.iter().fold(config, |config, count| config.min_samples_per_variant(*count));
    config = clauses.level.iter().fold(config, |config, level| config.significance_level(*level));
    config = clauses.primary.iter().fold(config, |config, it| config.primary(metric(it)));
    config = clauses.guardrails.iter().fold(config, |config, it| config.guardrail(metric(it)));
    config = clauses.secondary.iter().fold(config, |config, it| config.secondary(metric(it)));
    config = clauses.ramp.iter().fold(config, |config, (after, share)| config.ramp(*after, *share));
    config.minimal_effect = clauses.effect;
    match &clauses.segment {
        Some(filter) => Ok(config.segment(filter)?),
        None => Ok(config),
    }
}

fn metric((name, mean, lower): &(String, bool, bool)) -> ExperimentMetric {
    let goal = if *lower { Goal::Lower } else { Goal::Higher };
    if *mean { ExperimentMetric::mean(&**name, goal) } else { ExperimentMetric::rate(&**name, goal) }
}

fn word(thing: &impl Serialize) -> String {
    serde_json::to_value(thing).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

fn standing(experiment: &Experiment) -> String {
    render::plain(&format!("{} is {}", experiment.config.name, word(&experiment.state)))
}

fn experiments(session: &mut Session) -> Outcome {
    let list = session.store.reading()?.experiments().list()?;
    let row = |it: Experiment| {
        let config = &it.config;
        let cells = vec![
            render::plain(&config.name),
            word(&it.state),
            render::plain(&format!("{} {} against {}", config.model, config.version_b, config.version_a)),
            format!("{}", it.split_set.unwrap_or(config.traffic_split)),
            it.started.map_or_else(String::new, render::time),
            it.result.as_ref().map_or_else(String::new, |result| word(&result.recommendation)),
        ];
        Ok(Plain { thing: it, cells })
    };
    session.output.many(&["experiment", "state", "compares", "split", "started", "result"], list.into_iter().map(row))
}

fn analysis(session: &mut Session, name: &str) -> Outcome {
    let analysis = session.store.reading()?.experiments().analyze(name)?;
    if !session.output.is_table() {
        return session.output.one(&analysis, String::new);
    }
    session.output.line(&summary(&analysis))?;
    session.output.line("")?;
    let row = |it: &MetricResult| {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
        let interval = it.interval.map_or_else(String::new, |(low, high)| format!("{low:+.4} to {high:+.4}"));
        let difference = it.difference.map_or_else(String::new, |value| format!("{value:+.4}"));
        let arm = |value: f64, samples: u64| if samples == 0 { String::new() } else { format!("{value:.4}") };
        let cells = vec![
            render::plain(&it.metric.name),
            word(&it.role),
            arm(it.a.value, it.a.samples),
            arm(it.b.value, it.b.samples),
            difference,
            interval,
            it.p_adjusted.map_or_else(String::new, render::p_value),
            it.test.clone().unwrap_or_default(),
            number(it.effect),
        ];
        Ok(Plain { thing: it.clone(), cells })
    };
    let headings = ["metric", "role", "A", "B", "difference", "95 % interval", "p, fixed end", "test", "effect"];
    session.output.many(&headings, analysis.metrics.iter().map(row))
}

/// What to do, and why, for people.
fn summary(analysis: &Analysis) -> String {
    let users = format!("{} and {} users", render::count(analysis.users_a), render::count(analysis.users_b));
    let p = analysis.p_always_valid.map_or_else(|| "none yet".to_owned(), render::p_value);
    let ratio = |it: SampleRatioCheck| {
        let (p, one_look) = (render::p_value(it.p_always_valid), render::p_value(it.p));
        format!("{p}, always valid ({one_look} by chi-square, for one look)")
    };
    let ratio = analysis.sample_ratio.map_or_else(String::new, ratio);
    render::pairs([
        ("recommendation", word(&analysis.recommendation).replace('_', " ")),
        ("because", render::plain(&analysis.reasons.join("; "))),
        ("users of A and B", users),
        ("p, always valid", p),
        ("p of the split", ratio),
    ])
}

pub(super) fn retrain(session: &mut Session, asked: &RetrainStatement) -> Outcome {
    match asked {
        RetrainStatement::List => return triggers(session),
        RetrainStatement::History(model, days) => return runs(session, model, *days),
        RetrainStatement::Configure(model, config, author) => {
            let config: RetrainConfig = serde_json::from_value(config.clone()).map_err(|error| {
                Error::new(ErrorKind::Invalid, format!("this configures no trigger: {error}"))
                    .mend(r#"write what differs from the defaults, such as {"min_new_samples": 500}"#)
            })?;
            session.store.making()?.retraining().configure(model, config.clone(), change(author))?;
            return session.output.one(&config, || format!("configured the trigger of {}", render::plain(model)));
        }
        _ => {}
    }
    let retraining = session.store.writing()?.retraining();
    let run = match asked {
        RetrainStatement::Force(model, author) => retraining.force_retrain(model, change(author))?,
        RetrainStatement::Approve(model, number, author) => retraining.approve(model, *number, change(author))?,
        RetrainStatement::Reject(model, number, author) => retraining.reject(model, *number, change(author))?,
        _ => return tick(session, &retraining),
    };
    session.output.one(&run, || stands(&run))
}

fn stands(run: &RetrainEvent) -> String {
    render::plain(&format!("run {} of {} is {}", run.number, run.model, word(&run.state)))
}

fn tick(session: &mut Session, retraining: &Retraining) -> Outcome {
    let runs = retraining.tick()?;
    let told: Vec<String> = runs.iter().map(stands).collect();
    session.output.one(&runs, || if told.is_empty() { "nothing is due".into() } else { told.join("\n") })
}

fn triggers(session: &mut Session) -> Outcome {
    let retraining = session.store.reading()?.retraining();
    let row = |model: String| {
        let (config, runs) = (retraining.config(&model)?, retraining.history(&model, u32::MAX)?);
        let last = runs
            .last()
            .map_or_else(String::new, |run| format!("{} {}", word(&run.state), render::time(run.requested_at)));
        let cells = vec![
            render::plain(&model),
            config.min_new_samples.map_or_else(String::new, |count| count.to_string()),
            render::plain(config.samples_in.as_deref().unwrap_or_default()),
            if config.approval { "needed" } else { "" }.into(),
            runs.len().to_string(),
            last,
        ];
        Ok(Plain { thing: json!({"model": model, "config": config, "runs": runs.len()}), cells })
    };
    let rows: Vec<_> = retraining.models()?.into_iter().map(row).collect();
    session.output.many(&["model", "new samples", "in", "approval", "runs", "last run"], rows)
}

fn runs(session: &mut Session, model: &str, days: u32) -> Outcome {
    let runs = session.store.reading()?.retraining().history(model, days)?;
    let row = |it: RetrainEvent| {
        let reasons: Vec<&str> = it.reasons.iter().map(|reason| &*reason.text).collect();
        let state = if it.over_limit { format!("{}, over a limit", word(&it.state)) } else { word(&it.state) };
        let cells = vec![
            it.number.to_string(),
            render::time(it.requested_at),
            state,
            render::plain(&reasons.join("; ")),
            render::plain(&it.actor),
            render::plain(it.outcome.as_deref().unwrap_or_default()),
        ];
        Ok(Plain { thing: it, cells })
    };
    session.output.many(&["run", "asked for", "state", "because", "by", "outcome"], runs.into_iter().map(row))
}
