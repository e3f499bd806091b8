//! Answers for reading.

use super::{case, door};
use crate::{
    claims::{Answer, Opening, Outcome},
    config::Colour,
    schema::Entity,
};

/// LIMIT: names and fields of one opening that are told in text.
const TOLD_MAX: usize = 12;

/// All answers, one under the other.
pub(super) fn text<'e>(
    answers: &[Answer],
    entity: &dyn Fn(&str) -> Option<&'e Entity>,
    colour: Colour,
) -> Vec<String> {
    let mut lines = Vec::new();
    for answer in answers {
        let outcome = answer.outcome();
        lines.push(format!("{} {}", painted(outcome, colour), answer.sentence));
        for opening in &answer.openings {
            lines.extend(opened(opening, entity));
        }
        for opening in &answer.by_glass {
            lines.push("  apart from that, with the glass broken".to_owned());
            lines.extend(opened(opening, entity));
        }
        lines.push(format!("  asked of {}", some(&answer.covered)));
        lines.push(format!("  through {}", some(&answer.doors.iter().map(door).collect::<Vec<_>>())));
    }
    if let Some(answer) = answers.first() {
        let short: String = answer.bundle.to_string().chars().take(12).collect();
        lines.push(format!("bundle {short}"));
    }
    lines
}

fn opened<'e>(opening: &Opening, entity: &dyn Fn(&str) -> Option<&'e Entity>) -> Vec<String> {
    let names = |ids: &[crate::words::StatementId]| {
        some(&ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>())
    };
    let mut lines = vec![format!("  {}: {}", door(&opening.door), some(&opening.who))];
    if !opening.fields.is_empty() {
        let fields: Vec<String> = opening.fields.iter().map(|path| path.as_str().to_owned()).collect();
        lines.push(format!("    fields {}", some(&fields)));
    }
    lines.push(format!("    permitted by {}", names(&opening.permits)));
    if !opening.against.is_empty() {
        lines.push(format!("    unless {}", names(&opening.against)));
    }
    match case(opening, entity) {
        Some(case) => lines.push(format!("    for example {case}")),
        None => lines.push("    no request was found that does it".to_owned()),
    }
    lines
}

/// The first of them, and how many more there are.
pub(super) fn some(all: &[String]) -> String {
    match all {
        [] => "nobody".to_owned(),
        all if all.len() > TOLD_MAX => {
            let first = all.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join(", ");
            format!("{first} and {} more", all.len().saturating_sub(TOLD_MAX))
        }
        all => all.join(", "),
    }
}

fn painted(outcome: Outcome, colour: Colour) -> String {
    let word = format!("{:11}", outcome.as_str());
    let shade = match outcome {
        Outcome::Proved => 32,
        Outcome::Reached => 31,
        Outcome::CannotTell => 33,
    };
    match colour {
        Colour::On => format!("\u{1b}[{shade}m{word}\u{1b}[0m"),
        Colour::Off => word,
    }
}
