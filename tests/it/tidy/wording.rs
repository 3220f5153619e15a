//! Words that this project does not use, because readers had to guess what they meant, and what to write instead.

use crate::support::source::Source;

/// In comments, documents, messages and names, whatever their case.
const BANNED: [(&str, &str); 15] = [
    ("anew", "again"),
    ("deed", "operation"),
    ("deeds", "operations"),
    ("elsewhere", "the place: another file, another origin"),
    ("lets go of", "closes, drops, releases"),
    ("misfit", "the rule that is broken"),
    ("misled", "what differs"),
    ("nobody", "the actor: no client, no other task"),
    ("nowhere", "not found"),
    ("one likes", "any"),
    ("roomy", "the unit: bytes, places"),
    (
        "told",
        "what is done: returned, notified, reported, distinguished",
    ),
    ("unattended", "without a request, without an operator"),
    ("who waits", "the actor: the waiting client"),
    ("whoever", "the actor: the client that …"),
];

/// Former names of types and constants, in code and documents as they are spelled.
const FORMER_NAMES: [(&str, &str); 9] = [
    ("Deed", "Operation"),
    ("Hub", "Notifier"),
    ("LAST_CALL", "DRAIN_GRACE"),
    ("Misfit", "InvalidScheduleEventId"),
    ("Paced", "TimeoutStream"),
    ("Pick", "HistoryQuery"),
    ("STOP_WAIT", "SHUTDOWN_TIMEOUT"),
    ("Twin", "StoreModel"),
    ("Wanted", "HistoryQuery"),
];

/// Finds banned words: in a document everywhere, in Rust in comments, names and messages. Literals of one word and
/// those of tests are data.
pub fn banned_words(source: &Source) -> Vec<String> {
    let mut text = match source.path.ends_with(".rs") {
        true => format!("{}\n{}", source.comments, source.code),
        false => source.text.clone(),
    };
    if !source.path.starts_with("tests/") {
        let messages = source
            .literals
            .iter()
            .filter(|literal| literal.contains(' '));
        messages.for_each(|message| text = format!("{text}\n{message}"));
    }
    let mut faults = Vec::new();
    for line in text.lines() {
        let spelled = format!(" {} ", words(line, true));
        let lower = format!(" {} ", words(&line.to_lowercase(), false));
        let banned = BANNED.iter().map(|it| (it, &lower));
        let former = FORMER_NAMES.iter().map(|it| (it, &spelled));
        for ((word, instead), line_words) in banned.chain(former) {
            if line_words.contains(&format!(" {word} ")) {
                let line = line.trim();
                faults.push(format!(
                    "{}: `{word}` ({instead}): {line:.120}",
                    source.path
                ));
            }
        }
    }
    faults
}

/// The words of a line, with one blank between them. A name in snake case is one word or several.
fn words(line: &str, whole_names: bool) -> String {
    let between = |c: char| !(c.is_alphanumeric() || whole_names && c == '_');
    let words: Vec<_> = line
        .split(between)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}
