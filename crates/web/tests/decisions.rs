//! The pages of docs/decisions: each has a number of its own, and whoever names one finds it.

use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn every_decision_has_a_number_of_its_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/decisions");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let number: u32 = name.split_once('-').and_then(|(number, _)| number.parse().ok()).expect("0001-in-words.md");
        let text = fs::read_to_string(entry.path()).unwrap();
        assert!(text.starts_with(&format!("# {number}. ")), "{name} is headed by its number and its title");
        let other = found.insert(number, name.clone());
        assert_eq!(other, None, "{name} has the number of another");
    }
    assert!(found.len() > 10, "the decisions are not found: {found:?}");
}

#[test]
fn every_decision_that_a_source_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("crates")];
    let mut named = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for rest in text.split("docs/decisions/").skip(1).filter(|rest| rest.starts_with('0')) {
                    let file = &rest[..rest.find(".md").expect("a page is named whole") + 3];
                    assert!(root.join("docs/decisions").join(file).is_file(), "{}: {file}", path.display());
                    named += 1;
                }
            }
        }
    }
    assert!(named > 3, "the sources name {named} decisions");
}
