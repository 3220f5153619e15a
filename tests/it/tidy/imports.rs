//! Which module may import which: only lower levels, and no cycles between the files of a folder.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::source::Source;

/// A module imports only modules of a lower level, and itself.
pub const LEVELS: [(&str, u8); 17] = [
    ("main", 6),
    ("cli", 5),
    ("server", 4),
    ("action", 3),
    ("ui", 3),
    ("client", 3),
    ("auth", 2),
    ("text", 2),
    ("store", 1),
    ("timeline", 1),
    ("config", 1),
    ("clock", 1),
    ("limits", 1),
    ("log", 1),
    ("wire", 0),
    ("model", 0),
    ("lib", 0),
];

/// The top-level module that a file of `src` belongs to.
pub fn module(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap_or(path);
    path.split(['/', '.']).next().unwrap_or_default()
}

fn level(module: &str) -> Option<u8> {
    LEVELS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, level)| *level)
}

/// The paths of a `use` tree, from after its first `::` on, and the text after it.
fn tree(text: &str) -> (Vec<Vec<&str>>, &str) {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut paths = Vec::new();
        loop {
            let (more, after) = tree(rest);
            paths.extend(more);
            let Some(end) = after.find([',', '}']) else {
                return (paths, "");
            };
            rest = &after[end + 1..];
            if after[end..].starts_with('}') {
                return (paths, rest);
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    match rest.strip_prefix("::") {
        Some(inside) if !word.is_empty() => {
            let (mut paths, rest) = tree(inside);
            paths.iter_mut().for_each(|path| path.insert(0, word));
            (paths, rest)
        }
        _ if word.is_empty() => (vec![Vec::new()], rest),
        _ => (vec![vec![word]], rest),
    }
}

/// The module paths in the code after `root::`, such as `crate::x` and `crate::{x, y::z}`.
fn paths_after<'a>(code: &'a str, root: &str) -> Vec<Vec<&'a str>> {
    let root = format!("{root}::");
    let found = code.match_indices(&root);
    found
        .flat_map(|(at, _)| tree(&code[at + root.len()..]).0)
        .collect()
}

pub fn upward_names(source: &Source) -> Vec<String> {
    let own = module(&source.path);
    let Some(own_level) = level(own) else {
        return vec![format!("{}: module `{own}` has no level", source.path)];
    };
    let mut faults = Vec::new();
    // `main` imports `flowledger::x`.
    let paths = ["crate", "flowledger"].map(|root| paths_after(&source.code, root));
    for named in paths.iter().flatten().filter_map(|path| path.first()) {
        let lower = level(named).is_some_and(|level| level < own_level);
        if !(lower || *named == own) {
            faults.push(format!("{}: `{own}` must not name `{named}`", source.path));
        }
    }
    let roots = [format!("src/{own}.rs"), format!("src/{own}/mod.rs")];
    let above = if roots.contains(&source.path) {
        "super::"
    } else {
        "super::super::"
    };
    // Tests inside a file import `super::*`.
    if source.code.replace("super::*", "").contains(above) {
        faults.push(format!("{}: say `crate::`, not `{above}`", source.path));
    }
    faults
}

/// The path of a file as a module: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`.
fn module_path(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path: Vec<_> = path.split('/').collect();
    if matches!(path.last(), Some(&("mod" | "lib" | "main"))) {
        path.pop();
    }
    path
}

/// The absolute paths that a file imports or names, without those of its tests.
fn imports(source: &Source) -> Vec<Vec<&str>> {
    let own = module_path(&source.path);
    let code = source.code.split("#[cfg(test)]").next().unwrap();
    let mut imports = paths_after(code, "crate");
    if let Some((_, parent)) = own.split_last() {
        let below = paths_after(code, "super");
        imports.extend(below.into_iter().map(|path| [parent, &path[..]].concat()));
    }
    imports
}

/// Files and folders of one folder that import each other in a circle.
pub fn import_cycles(sources: &[Source]) -> Vec<String> {
    let mut imported: BTreeMap<Vec<&str>, BTreeSet<Vec<&str>>> = BTreeMap::new();
    for source in sources {
        let own = module_path(&source.path);
        for depth in 1..=own.len() {
            imported.entry(own[..depth].to_vec()).or_default();
        }
    }
    for source in sources {
        let own = module_path(&source.path);
        for path in imports(source) {
            // Records the import between the two children of the deepest folder that contains both files.
            let common = own.iter().zip(&path).take_while(|(a, b)| a == b).count();
            if common >= own.len() || common >= path.len() {
                continue;
            }
            let to = path[..=common].to_vec();
            if imported.contains_key(&to) {
                imported
                    .entry(own[..=common].to_vec())
                    .or_default()
                    .insert(to);
            }
        }
    }
    let cycles = imported.keys().filter_map(|start| {
        let mut chain = vec![start];
        reaches(&imported, start, &mut chain).then(|| {
            let names: Vec<_> = chain.iter().map(|path| path.join("::")).collect();
            format!("an import cycle: {}", names.join(" -> "))
        })
    });
    cycles.collect()
}

/// Whether the last module of the chain leads back to `start`; completes the chain if so.
fn reaches<'a, 'b>(
    imported: &'a BTreeMap<Vec<&'b str>, BTreeSet<Vec<&'b str>>>,
    start: &Vec<&'b str>,
    chain: &mut Vec<&'a Vec<&'b str>>,
) -> bool {
    for next in &imported[chain[chain.len() - 1]] {
        if next == start {
            chain.push(next);
            return true;
        }
        // Each cycle is found from its first module in the alphabet.
        if next > start && !chain.contains(&next) {
            chain.push(next);
            if reaches(imported, start, chain) {
                return true;
            }
            chain.pop();
        }
    }
    false
}

#[test]
fn import_cycle_between_files_of_a_folder_is_found() {
    let cycles = |files: &[(&str, &str)]| {
        let sources: Vec<_> = files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        import_cycles(&sources)
    };
    let two = [
        (
            "src/store/sqlite/check.rs",
            "use super::{open::open, rows};",
        ),
        (
            "src/store/sqlite/open.rs",
            "fn f() { super::check::check() }",
        ),
        ("src/store/sqlite/rows.rs", ""),
    ];
    let found =
        "an import cycle: store::sqlite::check -> store::sqlite::open -> store::sqlite::check";
    assert_eq!(cycles(&two), [found]);
    let three = [
        (
            "src/ui/a.rs",
            "use crate::{model::Name, ui::{b::{B, C}, mark}};",
        ),
        ("src/ui/b/mod.rs", "use super::c;"),
        ("src/ui/c.rs", "use crate::ui::a;"),
        ("src/ui/mod.rs", "use self::a;"),
    ];
    assert_eq!(
        cycles(&three),
        ["an import cycle: ui::a -> ui::b -> ui::c -> ui::a"]
    );
    let nested = [
        ("src/ui/b/x.rs", "use crate::ui::c::C;"),
        ("src/ui/c.rs", "use super::b;"),
    ];
    assert_eq!(
        cycles(&nested),
        ["an import cycle: ui::b -> ui::c -> ui::b"]
    );
    let fine = [
        ("src/ui/mod.rs", "pub use self::a::A; use crate::ui::b;"),
        ("src/ui/a.rs", "use super::{Ui, b::B}; // super::c"),
        (
            "src/ui/b.rs",
            "use super::Ui;\n#[cfg(test)]\nmod tests { use super::a; }",
        ),
    ];
    assert_eq!(cycles(&fine), [""; 0]);
}
