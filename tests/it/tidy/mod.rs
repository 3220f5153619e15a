//! The project's own lints: each reads the sources and names the file that breaks it. The last test shows that every
//! rule finds a violation.

mod imports;
mod wording;

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use self::imports::{LEVELS, import_cycles, module, upward_names};
use self::wording::banned_words;
use crate::support::source::{self, Source};

/// Crates that only these modules may use.
const ALLOWED_IN: [(&str, &[&str]); 2] = [("axum", &["server", "ui"]), ("sqlx", &["store"])];

const LINES_MAX: usize = 500;

fn misplaced_crates(source: &Source) -> Vec<String> {
    let own = module(&source.path);
    let misplaced = ALLOWED_IN.iter().filter(|(name, places)| {
        !places.contains(&own) && source.words().any(|word| word == *name)
    });
    misplaced
        .map(|(name, places)| format!("{}: {name} belongs in {places:?}", source.path))
        .collect()
}

/// The table of the vendor's error codes.
const TABLE: &str = "src/wire/error.rs";

/// The codes of the table: its literals that are one word with several capitals.
static CODES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let mut codes = Source::new(TABLE, &fs::read_to_string(path).unwrap()).literals;
    codes.retain(|literal| {
        let capitals = literal.bytes().filter(u8::is_ascii_uppercase).count();
        let word = literal.bytes().all(|b| b.is_ascii_alphabetic());
        word && capitals > 1 && literal != "PascalCase" // of an attribute
    });
    assert!(codes.len() >= 20, "codes of the table: {codes:?}");
    codes
});

fn misplaced_codes(source: &Source) -> Vec<String> {
    if source.path == TABLE {
        return Vec::new();
    }
    let coded = |literal: &&String| CODES.iter().any(|code| literal.contains(code));
    let literals = source.literals.iter().filter(coded);
    literals
        .map(|literal| format!("{}: {literal:?} belongs in {TABLE}", source.path))
        .collect()
}

/// Only the signature code reads a secret; only the clock asks for the time and for random ids.
fn misplaced_secrets_and_time(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if !source.path.starts_with("src/wire/signature/")
        && source.words().any(|word| word.starts_with("expose"))
    {
        faults.push(format!("{}: a secret is exposed", source.path));
    }
    let code = &source.code;
    for secret in ["SecretKey", "TaskKey"] {
        let derives = code
            .match_indices(&format!("struct {secret}"))
            .any(|(at, _)| {
                let attributes = code[..at].rsplit([';', '}']).next().unwrap_or_default();
                attributes.contains("derive")
            });
        if derives || code.contains(&format!(" for {secret}")) {
            faults.push(format!("{}: a secret has no traits", source.path));
        }
    }
    if source.path != "src/clock.rs" && source.code.contains("clippy::disallowed_methods") {
        faults.push(format!(
            "{}: only the clock asks the system for the time or an id",
            source.path
        ));
    }
    faults
}

fn leftovers(source: &Source) -> Vec<String> {
    let words = |text: &str, word: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|found| found == word)
    };
    let mut faults = Vec::new();
    for mark in [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
    ] {
        if words(&source.text, mark) {
            faults.push(format!("{}: {mark} is left over", source.path));
        }
    }
    for call in ["dbg", "todo", "unimplemented"] {
        if source.code.contains(&format!("{call}!")) {
            faults.push(format!("{}: {call}! is left over", source.path));
        }
    }
    faults
}

fn form(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!(
            "{}: {lines} lines are more than {LINES_MAX}",
            source.path
        ));
    }
    if !source.text.starts_with("//! ") {
        faults.push(format!(
            "{}: it should open with a line of `//!`",
            source.path
        ));
    }
    if source.path.starts_with("src/")
        && (source.code.contains("#[allow") || source.code.contains("#![allow"))
    {
        faults.push(format!(
            "{}: say `#[expect(.., reason)]`, not `#[allow]`",
            source.path
        ));
    }
    faults
}

/// Limits without a doc comment, which must give unit and reason.
fn bare_limits(source: &Source) -> Vec<String> {
    let lines: Vec<_> = source.text.lines().map(str::trim).collect();
    let mut faults = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words: Vec<_> = line.split([' ', ':']).collect();
        let name = words
            .iter()
            .position(|word| *word == "const")
            .and_then(|at| words.get(at + 1));
        let limit = name.is_some_and(|name| name.contains("_MAX") || name.contains("_TIMEOUT"));
        let above = lines[..at]
            .iter()
            .rev()
            .find(|line| !line.starts_with("#["));
        if limit && !above.is_some_and(|line| line.starts_with("///")) {
            faults.push(format!(
                "{}: {} has no doc comment",
                source.path,
                name.unwrap()
            ));
        }
    }
    faults
}

/// Returns a line for each violation.
type Rule = fn(&Source) -> Vec<String>;

fn check(folders: &[&str], rule: Rule) {
    let sources = folders.iter().flat_map(|folder| source::files(folder));
    let faults: Vec<_> = sources.flat_map(|source| rule(&source)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn module_imports_lower_levels_only() {
    check(&["src"], upward_names);
}

#[test]
fn files_of_a_folder_do_not_import_each_other_in_cycles() {
    let cycles = import_cycles(&source::files("src"));
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}

#[test]
fn axum_and_sqlx_stay_in_their_modules() {
    check(&["src"], misplaced_crates);
}

#[test]
fn error_codes_are_written_in_one_table() {
    check(&["src"], misplaced_codes);
}

#[test]
fn secrets_and_time_are_read_in_one_place_each() {
    check(&["src"], misplaced_secrets_and_time);
}

#[test]
fn banned_words_do_not_come_back() {
    check(&["src", "benches", "tests"], banned_words);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = source::files_with("docs", "md");
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "migrations/README.md",
    ] {
        let text = fs::read_to_string(root.join(name)).unwrap();
        documents.push(Source::document(name, &text));
    }
    let faults: Vec<_> = documents.iter().flat_map(banned_words).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_marker_or_debug_macro_is_left_over() {
    check(&["src", "tests"], leftovers);
}

#[test]
fn every_file_is_short_and_starts_with_its_documentation() {
    check(&["src", "tests"], form);
}

#[test]
fn every_limit_has_a_doc_comment() {
    check(&["src"], bare_limits);
}

/// The file name of an Action: `get_execution_history` for `GetExecutionHistory`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// The modules of a folder, by their file names.
fn modules(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let stems = entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let mut modules: Vec<_> = stems.filter(|stem| stem != "mod").collect();
    modules.sort();
    modules
}

#[test]
fn every_action_has_one_variant_one_file_and_one_test_file() {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/action/mod.rs"))
            .unwrap();
    let variants = source
        .split_once("pub enum Action {")
        .unwrap()
        .1
        .split_once('}')
        .unwrap()
        .0;
    let variants = variants
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"));
    let mut variants: Vec<_> = variants
        .map(|line| snake_case(line.trim_end_matches(',')))
        .collect();
    variants.sort();
    assert_eq!(modules("src/action"), variants);
    assert_eq!(modules("tests/it/action"), variants);
}

#[test]
fn lib_documentation_lists_exactly_the_modules() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut map: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("//! - [`"))
        .map(|line| line.split_once('`').unwrap().0)
        .collect();
    map.sort_unstable();
    let code = text
        .lines()
        .filter(|line| !line.starts_with("//!") && !line.is_empty());
    let declared: Vec<_> = code
        .map(|line| {
            line.strip_prefix("pub mod ")
                .and_then(|line| line.strip_suffix(';'))
                .expect(line)
        })
        .collect();
    let mut found = modules("src");
    found.retain(|module| module != "lib" && module != "main");
    assert_eq!(map, found, "the map in the documentation");
    assert_eq!(declared, found, "the declarations");
}

/// Sources that violate a rule, in one way each.
const BROKEN: [(Rule, &str, &str); 28] = [
    (banned_words, "src/x.rs", "/// Nobody reads it."),
    (banned_words, "src/x.rs", "let text = \"you were told\";"),
    (banned_words, "tests/it/x.rs", "fn client_is_told() {}"),
    (banned_words, "docs/x.md", "The Hub."),
    (upward_names, "src/store/x.rs", "use crate::action::run;"),
    (
        upward_names,
        "src/model/x.rs",
        "use crate::{\n    model::Name,\n    wire::error::Code,\n};",
    ),
    (
        upward_names,
        "src/wire/x.rs",
        "fn now() -> crate::clock::Clock {}",
    ),
    (
        upward_names,
        "src/auth/x.rs",
        "use crate::{store::{Store, open}, server};",
    ),
    (
        upward_names,
        "src/store/config.rs",
        "use crate::config::Config;",
    ),
    (
        upward_names,
        "src/store/sqlite/x.rs",
        "use super::super::super::action;",
    ),
    (upward_names, "src/store/mod.rs", "use super::action;"),
    (upward_names, "src/extra.rs", ""),
    (misplaced_crates, "src/action/x.rs", "use axum::Router;"),
    (
        misplaced_crates,
        "src/server/x.rs",
        "type Pool = sqlx::SqlitePool;",
    ),
    (
        misplaced_codes,
        "src/server/api.rs",
        "let code = \"FlowNotExists\";",
    ),
    (
        misplaced_codes,
        "src/action/x.rs",
        "let text = r#\"{\"Code\":\"AccessDenied\"}\"#;",
    ),
    (
        misplaced_secrets_and_time,
        "src/auth/x.rs",
        "key.expose_secret()",
    ),
    (
        misplaced_secrets_and_time,
        "src/auth/x.rs",
        "#[expect(clippy::disallowed_methods, reason = \"\")]",
    ),
    (
        misplaced_secrets_and_time,
        "src/wire/signature/x.rs",
        "/// A.\n#[derive(Debug)]\npub struct SecretKey(String);",
    ),
    (
        misplaced_secrets_and_time,
        "src/wire/signature/x.rs",
        "impl fmt::Display for SecretKey {}",
    ),
    (
        misplaced_secrets_and_time,
        "src/model/x.rs",
        "impl PartialEq for TaskKey {}",
    ),
    (leftovers, "src/x.rs", concat!("// TO", "DO: finish")),
    (leftovers, "src/x.rs", "dbg!(x);"),
    (leftovers, "tests/it/x.rs", concat!("// X", "XX")),
    (form, "src/x.rs", "use std::fs;"),
    (
        form,
        "src/x.rs",
        "//! Fine.\n#[allow(dead_code)]\nfn f() {}",
    ),
    (
        bare_limits,
        "src/x.rs",
        "pub const BODY_MAX_BYTES: usize = 1;",
    ),
    (
        bare_limits,
        "src/x.rs",
        "/// One.\nconst A: u8 = 1;\n    #[doc(hidden)]\n    const READ_TIMEOUT: u8 = 1;",
    ),
];

#[test]
fn every_rule_finds_a_violation() {
    for (rule, path, text) in BROKEN {
        assert_ne!(rule(&Source::new(path, text)), [""; 0], "{path}: {text}");
    }
    let long = Source::new("src/x.rs", &"//! Long.\n".repeat(LINES_MAX + 1));
    assert_ne!(form(&long), [""; 0]);
    let fine = "//! Fine. See crate::server.\n//! \\uXXXX\nuse crate::{model::Name, store};\n/// Why.\npub const A_MAX: u8 = 1;\n// axum, \"sqlx\"\n";
    let fine = Source::new("src/action/x.rs", fine);
    for rule in [
        banned_words,
        upward_names,
        misplaced_crates,
        misplaced_codes,
        misplaced_secrets_and_time,
        leftovers,
        form,
        bare_limits,
    ] {
        assert_eq!(rule(&fine), [""; 0]);
    }
    assert_eq!(snake_case("GetExecutionHistory"), "get_execution_history");
    let levels: BTreeMap<_, _> = LEVELS.into_iter().collect();
    assert_eq!(levels.len(), LEVELS.len(), "one level each");
}
