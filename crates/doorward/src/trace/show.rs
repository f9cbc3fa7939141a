//! `doorward trace`: what the last flows did.

use serde_json::json;

use super::{
    event::{Did, Step},
    ring::{self, End, Flow},
    words::{self, fold},
};
use crate::{
    cli,
    failure::{Exit, Failure},
    login, output,
};

/// How wide the text is made, where what must not be broken lets it.
const WIDTH: usize = 80;
/// Where a step's words begin.
const INDENT: usize = 6;

/// Runs the command.
pub(crate) async fn run(flags: cli::Trace, details: bool, json: bool) -> Result<(), Box<Failure>> {
    let folder = login::folder(flags.client_dir.as_deref())?;
    let wanted = match &flags.url {
        Some(url) => Some(super::shown_url(&login::target(url).await?.resource)),
        None => None,
    };
    let mut flows = ring::read(&folder);
    flows.retain(|flow| {
        let account = flow.account.as_ref().map(super::mask::Shown::as_str);
        let other = flags.account.account.as_deref().is_some_and(|named| account != Some(named));
        !other && wanted.as_ref().is_none_or(|url| flow.url == *url)
    });
    if flows.is_empty() {
        return Err(Failure::new(
            "TRC-01",
            Exit::Error,
            "nothing was traced yet",
            format!("{} holds no login, refresh or logout that fits", folder.join("trace").display()),
            "doorward login URL, and then doorward trace --last",
        ));
    }
    let skipped = flows.len().saturating_sub(flags.last);
    for (at, flow) in flows.iter().skip(skipped).enumerate() {
        if json {
            objects(flow).iter().for_each(|object| output::data(&object.to_string()));
            continue;
        }
        if at > 0 {
            output::data("");
        }
        lines(flow, output::Paint::stdout(), details).iter().for_each(|line| output::data(line));
    }
    Ok(())
}

/// An object for each step, and one for the end.
fn objects(flow: &Flow) -> Vec<serde_json::Value> {
    let name = json!({
        "kind": flow.kind, "url": flow.url, "account": flow.account, "began": words::began(flow), "process": flow.process,
        "version": flow.version,
    });
    let mut objects: Vec<_> = flow.steps.iter().map(|step| json!({ "flow": name, "step": step })).collect();
    objects.push(json!({ "flow": name, "end": flow.end, "took_ms": flow.took_ms, "left_out": flow.left_out }));
    objects
}

/// The flow for a person.
pub(super) fn lines(flow: &Flow, paint: output::Paint, details: bool) -> Vec<String> {
    let mut lines = vec![paint.bold(&words::title(flow))];
    let by = format!("{}, process {}, doorward {}", words::began(flow), flow.process, flow.version.as_str());
    lines.push(paint.dim(&by));
    let mut before = 0;
    for step in &flow.steps {
        if step.number > before + 1 {
            lines.push(paint.dim(&format!("      ({} steps are left out)", step.number - before - 1)));
        }
        before = step.number;
        lines.extend(of_step(step, paint, details));
    }
    match &flow.end {
        End::Done => lines.push(paint.green(&words::ending(flow))),
        End::Open => lines.push(paint.red(&words::ending(flow))),
        End::Failed { error } => {
            let at = flow.steps.last().map(|step| format!(" at step {}", step.number)).unwrap_or_default();
            lines.push(format!("{}{at}", paint.red(&words::ending(flow))));
            for (name, text) in [("why:", &error.reason), ("try:", &error.hint)] {
                let mut folded = fold("", 7, &[text.as_str().to_owned()], WIDTH - 7).into_iter();
                lines.push(format!("  {} {}", paint.dim(name), folded.next().unwrap_or_default()));
                lines.extend(folded);
            }
        }
    }
    lines
}

fn of_step(step: &Step, paint: output::Paint, details: bool) -> Vec<String> {
    let indent = " ".repeat(INDENT);
    let mut lines = fold(&format!("{:>3}.  ", step.number), INDENT + 2, &words::did_pieces(step, details), WIDTH);
    if let Did::Request { outcome, .. } = &step.did {
        let pieces = match outcome {
            Some(outcome) => words::outcome_pieces(outcome, details),
            None => vec![words::UNDER_WAY.to_owned()],
        };
        lines.extend(fold(&indent, INDENT + 3, &pieces, WIDTH));
    }
    for so in &step.so {
        let folded = fold(&indent, INDENT + 3, &[words::so_words(so)], WIDTH);
        lines.extend(folded.iter().map(|line| paint.dim(line)));
    }
    lines
}
