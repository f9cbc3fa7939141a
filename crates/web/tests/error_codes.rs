//! Every stable code that the sources use is explained in docs/errors.md, under where a person meets it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The codes in a source file: texts of two to four capital letters, a dash and two or three digits.
fn codes(source: &str) -> Vec<String> {
    let is_code = |text: &str| {
        text.split_once('-').is_some_and(|(kind, number)| {
            (2..=4).contains(&kind.len())
                && kind.bytes().all(|b| b.is_ascii_uppercase())
                && (2..=3).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_digit())
        })
    };
    source.split('"').filter(|text| is_code(text)).map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Where a person meets the codes of a crate: a heading of docs/errors.md.
fn place(name: &str) -> &'static str {
    if matches!(name, "authorization-server" | "web") { "In the browser" } else { "On the command line" }
}

/// The paragraphs of docs/errors.md by section and code.
fn explained(text: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for section in text.split("\n## ").skip(1) {
        let (name, rest) = section.split_once('\n').unwrap();
        for entry in rest.split("\n### ").skip(1) {
            let (code, paragraph) = entry.split_once('\n').unwrap();
            let twice = found.insert((name.trim().to_owned(), code.trim().to_owned()), paragraph.trim().to_owned());
            assert_eq!(twice, None, "{code} stands twice under {name}");
        }
    }
    found
}

#[test]
fn every_code_has_a_paragraph() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let explained = explained(&fs::read_to_string(root.join("docs/errors.md")).unwrap());
    let mut used = BTreeMap::new();
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut files = Vec::new();
        // Samples of the pages show codes that nobody meets.
        sources(&path.join("src"), &mut files);
        for file in files.into_iter().filter(|file| !file.ends_with("samples.rs")) {
            for code in codes(&fs::read_to_string(&file).unwrap()) {
                used.insert((place(&name).to_owned(), code), file.clone());
            }
        }
    }
    assert!(used.len() > 30, "the codes are not found: {used:?}");
    let missing: Vec<_> = used.iter().filter(|(key, _)| !explained.contains_key(key)).collect();
    assert!(missing.is_empty(), "without a paragraph in docs/errors.md: {missing:?}");
    let unused: Vec<_> = explained.keys().filter(|key| !used.contains_key(key)).collect();
    assert!(unused.is_empty(), "explained in docs/errors.md, but nobody says it any more: {unused:?}");
    for ((_, code), paragraph) in &explained {
        assert!(paragraph.split_whitespace().count() >= 12, "{code}: what it means, why, and what to do");
    }
}

#[test]
fn a_code_is_told_from_other_texts() {
    let source = r#"x("OA-101"); "ES256" "OA-1" "MCP-AUTH-001" "oa-101" 'y' "STO-01" "A-01""#;
    assert_eq!(codes(source), ["OA-101", "STO-01"]);
}
