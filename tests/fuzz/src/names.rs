//! Names, and the globs of keys that allow them. The input is a line with a glob, then a name.

use flowledger::{
    auth::keys::Keys,
    model::{Name, Timestamp},
};

use super::spec;

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (glob, text) = text.split_once('\n').unwrap_or(("*", text));
    assert_eq!(Name::parse(text).is_some(), spec::is_name(text), "{text:?}");
    let name = Name::parse_execution(text);
    assert_eq!(
        name.is_some(),
        spec::is_name(text) || spec::is_uuid(text),
        "{text:?}"
    );
    let Some(name) = name else {
        return;
    };
    assert_eq!((name.as_str(), name.to_string().as_str()), (text, text));
    assert_eq!(
        serde_json::to_string(&name).expect("a name"),
        format!("\"{text}\"")
    );
    allowed(glob, &name);
}

/// Checks that a key's glob matches as `matches` does, and is refused if no name can match it.
fn allowed(glob: &str, name: &Name) {
    if glob.contains(|c: char| c.is_control() || c == '\'') {
        return; // no literal text of TOML
    }
    let file = format!("[[key]]\nid = 'k'\nsecret = 's'\nrole = 'reader'\nflows = ['{glob}']\n");
    let in_name = |c: char| c.is_ascii_alphanumeric() || "_-*".contains(c);
    let possible = !glob.is_empty() && glob.chars().all(in_name);
    let keys = Keys::load(Some(&file), None);
    assert_eq!(keys.is_ok(), possible, "{glob}");
    let Ok(keys) = keys else {
        return;
    };
    let now = Timestamp::from_millis(0).expect("a time");
    let allowed = keys.find("k", now).expect("the key").flows().allow(name);
    assert_eq!(
        allowed,
        matches(glob.as_bytes(), name.as_str().as_bytes()),
        "{glob} {name}"
    );
}

/// Whether `glob` matches `text`, by dynamic programming.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    // The prefixes of `text` that the glob read so far can match.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for c in glob {
        let before = reached.clone();
        for at in 0..=text.len() {
            reached[at] = match c {
                b'*' => before[..=at].contains(&true),
                c => at > 0 && before[at - 1] && text[at - 1] == *c,
            };
        }
    }
    reached[text.len()]
}
