//! Events in words: one line each.

use crate::ui::style::{Paint, tame};
use reportctl::event::{Event, EventKind};

/// The line of an event, if it is worth one of its own.
pub fn line(event: &Event, paint: Paint) -> Option<String> {
    let run = event.run.as_ref().map(|run| format!(", run {run}")).unwrap_or_default();
    let head = |word: &str, paint: fn(Paint, &str) -> String, on: Paint| paint(on, &format!("{word:<8}"));
    let ok = |paint: Paint| head("ok", Paint::green, paint);
    let failed = |paint: Paint| head("failed", Paint::red, paint);
    let skipped = |paint: Paint| head("skipped", Paint::yellow, paint);
    Some(match &event.kind {
        EventKind::RunStarted { verb, resumed, reclaim } => {
            let goes_on = if *resumed { " goes on" } else { "" };
            let title = paint.bold(&format!("{verb} {}{run}{goes_on}", event.env));
            match verb.as_str() {
                "down" => title,
                _ => format!("{title}\nto remove everything: {}", paint.cyan(reclaim)),
            }
        }
        EventKind::Planned { steps } => match steps.len() {
            1 => "1 step to do".to_owned(),
            count => format!("{count} steps to do"),
        },
        EventKind::ComponentSkipped { component, reason } => format!("{} {component}: {reason}", skipped(paint)),
        EventKind::StepStarted { step, because } => format!("{} {step}: {because}", head("start", Paint::dim, paint)),
        EventKind::StepNote { .. } => return None,
        EventKind::StepSucceeded { step, millis } => format!("{} {step} ({})", ok(paint), took(*millis)),
        EventKind::StepFailed { step, millis, error } => {
            format!("{} {step} ({}): {}", failed(paint), took(*millis), tame(error))
        }
        EventKind::StepNotBegun { step } => format!("{} {step}", head("not yet", Paint::yellow, paint)),
        EventKind::Replanning { layer } => {
            format!("{} observing and planning: {layer}", head("again", Paint::dim, paint))
        }
        EventKind::ChecksStarted => "checking".to_owned(),
        // The summary at the end says it.
        EventKind::Reachable { .. } => return None,
        EventKind::CheckFinished { check, outcome, detail, millis } => {
            let word = match outcome.as_str() {
                "passed" => ok(paint),
                "skipped" => skipped(paint),
                _ => failed(paint),
            };
            format!("{word} {check} ({}): {}", took(*millis), tame(detail))
        }
        EventKind::Dossier { path } => format!("evidence is in {path}"),
        EventKind::RunFinished { outcome, exit_code: _, millis } => {
            format!("{} {outcome} in {}", paint.bold("run"), took(*millis))
        }
    })
}

/// A time as people say it: `12 ms`, `3.4 s`, `2 min 03 s`.
pub fn took(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {:02} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reportctl::model::ids::{EnvName, RunId, StepId};

    /// One event of every kind.
    fn every_event() -> Result<Vec<Event>, String> {
        let step = || StepId::parse("redis/start").map_err(|error| error.to_string());
        let text = |text: &str| text.to_owned();
        let kinds = vec![
            EventKind::RunStarted {
                verb: text("up"),
                resumed: false,
                reclaim: text("reportctl down --id local-7f3k9q2m"),
            },
            EventKind::RunStarted {
                verb: text("up"),
                resumed: true,
                reclaim: text("reportctl down --id local-7f3k9q2m"),
            },
            EventKind::Planned { steps: vec![step()?] },
            EventKind::Planned { steps: vec![step()?, step()?] },
            EventKind::ComponentSkipped { component: text("grafana"), reason: text("no program `grafana` is here") },
            EventKind::StepStarted { step: step()?, because: text("redis does not run") },
            EventKind::StepNote { step: step()?, note: text("loading") },
            EventKind::StepSucceeded { step: step()?, millis: 12 },
            EventKind::StepFailed { step: step()?, millis: 1_234, error: text("it\u{1b}[2J ended") },
            EventKind::StepNotBegun { step: step()? },
            EventKind::Replanning { layer: text("packages") },
            EventKind::ChecksStarted,
            EventKind::Reachable { component: text("redis"), address: text("redis://127.0.0.1:6379"), page: None },
            EventKind::CheckFinished {
                check: text("redis/answers"),
                outcome: text("passed"),
                detail: text("PONG"),
                millis: 3,
            },
            EventKind::CheckFinished {
                check: text("redis/answers"),
                outcome: text("failed"),
                detail: text("no"),
                millis: 3,
            },
            EventKind::CheckFinished {
                check: text("redis/answers"),
                outcome: text("skipped"),
                detail: text("no"),
                millis: 0,
            },
            EventKind::Dossier { path: text("/state/dossiers/0001") },
            EventKind::RunFinished { outcome: text("failed"), exit_code: 10, millis: 61_000 },
        ];
        let env = EnvName::parse("local").map_err(|error| error.to_string())?;
        let event =
            |kind| Event { schema: 1, at: String::new(), env: env.clone(), run: Some(RunId::numbered(1)), kind };
        Ok(kinds.into_iter().map(event).collect())
    }

    #[test]
    fn every_event_has_its_words() -> Result<(), String> {
        let lines = |paint: Paint| -> Result<String, String> {
            Ok(every_event()?.iter().filter_map(|event| line(event, paint)).collect::<Vec<_>>().join("\n"))
        };
        let plain = lines(Paint::new(false))?;
        insta::assert_snapshot!(plain);
        // Colour adds nothing and takes nothing away.
        let mut colored = lines(Paint::new(true))?;
        for code in ["0", "1", "2", "1;31", "32", "33", "36"] {
            colored = colored.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(colored, plain);
        Ok(())
    }

    #[test]
    fn times_are_told_as_people_say_them() {
        let told: Vec<String> = [0, 999, 1_000, 3_456, 59_999, 60_000, 123_456].into_iter().map(took).collect();
        assert_eq!(told, ["0 ms", "999 ms", "1.0 s", "3.4 s", "59.9 s", "1 min 00 s", "2 min 03 s"]);
    }
}
