//! Which requirement is proved by which test: docs/requirements*.toml against the `proves:` comments, and against
//! docs/conformance.md, which gives the reason for each row that no test proves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Where tests may stand, and folders in there that are not ours.
const ROOTS: &[&str] = &["crates", "xtask", "tests"];
const NOT_OURS: &[&str] = &["node_modules", ".venv", "target"];

/// One row of docs/requirements.toml.
#[derive(Debug, Default, PartialEq, Eq)]
struct Requirement {
    id: String,
    says: String,
    source: String,
}

/// A place in a test that claims to prove something.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    id: String,
    file: String,
    line: usize,
    test: String,
}

/// The tables of requirements, and the page of those that are not proved.
const TABLES: &[&str] = &[
    "docs/requirements.toml",
    "docs/requirements-authorization-server.toml",
    "docs/requirements-client.toml",
    "docs/requirements-client-attacks.toml",
];
const EXCUSES: &str = "docs/conformance.md";

/// Prints the table; with `strict`, a row that is neither proved nor listed with its reason is a failure, and so is one
/// that is both.
pub(crate) fn run(strict: bool) -> Result<bool> {
    let mut tables = String::new();
    for table in TABLES {
        tables.push_str(&read(table)?);
        tables.push('\n');
    }
    let requirements = parse(&tables)?;
    let listed = listed(&read(EXCUSES)?)?;
    let mut claims = Vec::new();
    for root in ROOTS {
        collect(&shell::root().join(root), &mut claims)?;
    }
    let mut proofs: BTreeMap<&str, Vec<&Claim>> = BTreeMap::new();
    for claim in &claims {
        proofs.entry(&claim.id).or_default().push(claim);
    }
    for requirement in &requirements {
        println!("{:<14} {} ({})", requirement.id, requirement.says, requirement.source);
        for claim in proofs.get(requirement.id.as_str()).into_iter().flatten() {
            println!("{:<14}   proved: {}:{} {}", "", claim.file, claim.line, claim.test);
        }
        if let Some(why) = listed.get(&requirement.id) {
            println!("{:<14}   listed: {why}", "");
        } else if !proofs.contains_key(requirement.id.as_str()) {
            println!("{:<14}   GAP: neither proved nor in {EXCUSES}", "");
        }
    }
    let verdict = judge(&requirements, &proofs.keys().copied().collect(), &listed);
    println!("\n{verdict}");
    Ok(verdict.fine() || !strict)
}

/// How the rows stand.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict<'a> {
    rows: usize,
    proved: usize,
    listed: usize,
    /// Neither proved nor listed.
    gaps: Vec<&'a str>,
    /// Proved, and still listed as not proved.
    both: Vec<&'a str>,
    /// Listed, but no row.
    strangers: Vec<&'a str>,
    /// Proved, but no row: an id of a list that this repository does not hold. No fault.
    others: Vec<&'a str>,
}

fn judge<'a>(
    requirements: &'a [Requirement],
    proofs: &BTreeSet<&'a str>,
    listed: &'a BTreeMap<String, String>,
) -> Verdict<'a> {
    let rows: BTreeSet<&str> = requirements.iter().map(|requirement| requirement.id.as_str()).collect();
    let mut verdict = Verdict { rows: rows.len(), ..Verdict::default() };
    for &row in &rows {
        match (proofs.contains(row), listed.contains_key(row)) {
            (true, false) => verdict.proved += 1,
            (false, true) => verdict.listed += 1,
            (true, true) => verdict.both.push(row),
            (false, false) => verdict.gaps.push(row),
        }
    }
    verdict.strangers = listed.keys().map(String::as_str).filter(|id| !rows.contains(id)).collect();
    verdict.others = proofs.iter().copied().filter(|id| !rows.contains(id)).collect();
    verdict
}

impl Verdict<'_> {
    fn fine(&self) -> bool {
        self.gaps.is_empty() && self.both.is_empty() && self.strangers.is_empty()
    }
}

impl std::fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.others.is_empty() {
            writeln!(f, "named by tests, in no table: {}", self.others.join(", "))?;
        }
        if !self.gaps.is_empty() {
            writeln!(f, "neither proved nor listed in {EXCUSES}: {}", self.gaps.join(", "))?;
        }
        if !self.both.is_empty() {
            writeln!(f, "proved, so take the line out of {EXCUSES}: {}", self.both.join(", "))?;
        }
        if !self.strangers.is_empty() {
            writeln!(f, "listed in {EXCUSES}, but no row of a table: {}", self.strangers.join(", "))?;
        }
        write!(f, "{} requirements: {} proved, {} listed with a reason", self.rows, self.proved, self.listed)?;
        match self.gaps.len() {
            0 => Ok(()),
            gaps => write!(f, ", {gaps} gaps"),
        }
    }
}

fn read(path: &str) -> Result<String> {
    let file = shell::root().join(path);
    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// Reads the rows `| ID | why |` of a page; the heading row and the rule below it are no ids.
fn listed(page: &str) -> Result<BTreeMap<String, String>> {
    let mut rows = BTreeMap::new();
    for line in page.lines() {
        let Some(row) = line.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|')) else { continue };
        let Some((id, why)) = row.split_once('|').map(|(id, why)| (id.trim(), why.trim())) else { continue };
        if !is_id(id) {
            continue;
        }
        if why.is_empty() {
            bail!("{EXCUSES}: {id} has no reason");
        }
        if rows.insert(id.to_owned(), why.to_owned()).is_some() {
            bail!("{EXCUSES}: {id} stands there twice");
        }
    }
    Ok(rows)
}

/// Reads `[[requirement]]` tables of plain `key = "text"` lines, the only TOML that the file uses.
fn parse(text: &str) -> Result<Vec<Requirement>> {
    let mut requirements: Vec<Requirement> = Vec::new();
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "[[requirement]]" {
            requirements.push(Requirement::default());
            continue;
        }
        let (key, value) = line.split_once(" = ").with_context(|| format!("line {at}: not `key = \"text\"`"))?;
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let value = value
            .filter(|value| !value.contains(['"', '\\']))
            .with_context(|| format!("line {at}: not a plain text"))?;
        let requirement =
            requirements.last_mut().with_context(|| format!("line {at}: before the first [[requirement]]"))?;
        match key {
            "id" => requirement.id = value.to_owned(),
            "says" => requirement.says = value.to_owned(),
            "source" => requirement.source = value.to_owned(),
            _ => bail!("line {at}: no such key: {key}"),
        }
    }
    let mut seen = BTreeSet::new();
    for requirement in &requirements {
        if !is_id(&requirement.id) || requirement.says.is_empty() || requirement.source.is_empty() {
            bail!("{:?} needs an id, a sentence and a source", requirement.id);
        }
        if !seen.insert(&requirement.id) {
            bail!("{} stands there twice", requirement.id);
        }
    }
    Ok(requirements)
}

fn collect(folder: &Path, claims: &mut Vec<Claim>) -> Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if !NOT_OURS.iter().any(|name| path.ends_with(name)) {
                collect(&path, claims)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "mjs" || extension == "py")
        {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let file = path.strip_prefix(shell::root()).unwrap_or(&path).display().to_string();
            claims.extend(claims_of(&file, &text)?);
        }
    }
    Ok(())
}

/// The claims of one file: a comment line that starts with the word, ids parted by `, `.
fn claims_of(file: &str, text: &str) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    let mut test = String::new();
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if let Some(name) = function_name(line) {
            test = name;
        }
        let comment = line.strip_prefix("// ").or_else(|| line.strip_prefix("# "));
        let Some(ids) = comment.and_then(|comment| comment.strip_prefix("proves: ")) else { continue };
        for id in ids.split(", ") {
            if !is_id(id) {
                bail!("{file}:{at}: `{id}` is no requirement id; write `// proves: REDIR-01, CODE-02`");
            }
            claims.push(Claim { id: id.to_owned(), file: file.to_owned(), line: at, test: test.clone() });
        }
    }
    Ok(claims)
}

/// The name in `fn name(`, `def name(` or `test("name"`, whatever stands before `fn`.
fn function_name(line: &str) -> Option<String> {
    let after = |word: &str| {
        let at = line.find(word)?;
        let whole_word = at == 0 || line[..at].ends_with(' ');
        whole_word.then(|| &line[at + word.len()..])
    };
    if let Some(rest) = after("fn ").or_else(|| after("def ")) {
        return rest.split(['(', '<']).next().map(str::to_owned);
    }
    let quoted = after("test(\"").or_else(|| after("test('"))?;
    quoted.split(['"', '\'']).next().map(str::to_owned)
}

/// `REDIR-01`, `MCP-AUTH-007`, `R8252-03`: capitals and digits, then a number.
fn is_id(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(family, number)| {
        family.starts_with(|c: char| c.is_ascii_uppercase())
            && family.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_kept_honest() {
        let row =
            "[[requirement]]\nid = \"CODE-01\"\nsays = \"A code works once.\"\nsource = \"RFC 6749 section 4.1.2\"\n";
        assert_eq!(parse(row).unwrap()[0].id, "CODE-01");
        assert!(parse(&format!("{row}{row}")).unwrap_err().to_string().contains("twice"));
        assert!(parse("[[requirement]]\nid = \"CODE-01\"\n").is_err());
        assert!(parse("id = \"CODE-01\"").is_err());
    }

    #[test]
    fn a_claim_carries_its_test_and_its_place() {
        let text = "#[test]\nfn once<T>() {\n    // proves: CODE-01, MCP-AUTH-007\n}\n";
        let claims = claims_of("a.rs", text).unwrap();
        let shown: Vec<_> = claims.iter().map(|c| (c.id.as_str(), c.line, c.test.as_str())).collect();
        assert_eq!(shown, [("CODE-01", 3, "once"), ("MCP-AUTH-007", 3, "once")]);
        assert!(claims_of("a.rs", "// proves: CODE 01").is_err());
        assert_eq!(claims_of("a.py", "def test_it():\n    # proves: RT-02\n").unwrap()[0].test, "test_it");
        assert_eq!(claims_of("a.mjs", "test('it', async () => {\n  // proves: RT-02\n").unwrap()[0].test, "it");
    }

    #[test]
    fn a_row_is_proved_or_listed_and_never_both() {
        let row = |id: &str| Requirement { id: id.to_owned(), ..Requirement::default() };
        let rows = ["A-1", "A-2", "A-3", "A-4"].map(row);
        let page = "text\n\n| id | why |\n|---|---|\n| A-2 | not taken |\n| A-3 | a fib |\n| B-1 | no row |\n";
        let reasons = listed(page).unwrap();
        let verdict = judge(&rows, &BTreeSet::from(["A-1", "A-3", "C-9"]), &reasons);
        assert_eq!((verdict.rows, verdict.proved, verdict.listed), (4, 1, 1));
        assert_eq!((&verdict.gaps[..], &verdict.both[..]), (&["A-4"][..], &["A-3"][..]));
        assert_eq!((&verdict.strangers[..], &verdict.others[..]), (&["B-1"][..], &["C-9"][..]));
        assert!(!verdict.fine());
        let reasons = listed("| A-4 | not taken |").unwrap();
        assert!(judge(&rows[3..], &BTreeSet::new(), &reasons).fine());
        assert!(!judge(&rows[2..], &BTreeSet::new(), &reasons).fine(), "a gap");
        assert!(!judge(&rows[3..], &BTreeSet::from(["A-4"]), &reasons).fine(), "both");
        assert!(listed("| A-4 |  |").is_err());
        assert!(listed("| A-4 | a |\n| A-4 | b |").is_err());
    }

    #[test]
    fn the_lists_in_the_repository_are_well_formed() {
        let tables: String = TABLES.iter().map(|table| read(table).unwrap() + "\n").collect();
        assert!(parse(&tables).unwrap().len() > 400);
        listed(&read(EXCUSES).unwrap()).unwrap();
    }
}
