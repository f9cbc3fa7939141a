//! The last flows, each in a file of its own that only its process writes and only its owner can read.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use serde::{Deserialize, Serialize};

use super::{
    event::{Kind, Step, Trouble},
    mask::Shown,
};
use crate::private_file;

/// How many flows are kept.
const MOST_FLOWS: usize = 16;
/// The most steps of one, and how many of the first stay when there are more.
const MOST_STEPS: usize = 120;
const FIRST_STEPS: usize = 40;
/// The longest file.
const MOST_BYTES: usize = 128 << 10;

/// One flow, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Flow {
    pub(super) kind: Kind,
    /// The MCP server.
    pub(super) url: Shown,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<Shown>,
    /// When it began, in milliseconds of Unix time.
    pub(super) began_ms: u64,
    /// The program's version.
    pub(super) version: Shown,
    pub(super) process: u32,
    pub(super) steps: Vec<Step>,
    /// How many steps are left out, after the first ones.
    #[serde(default)]
    pub(super) left_out: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) took_ms: Option<u64>,
    pub(super) end: End,
}

/// How a flow ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// It did not, or nobody was left to tell.
    Open,
    /// All was well.
    Done,
    /// It came to nothing.
    Failed { error: Trouble },
}

impl Flow {
    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
        while self.steps.len() > MOST_STEPS {
            self.leave_one_out();
        }
    }

    fn leave_one_out(&mut self) {
        self.steps.remove(FIRST_STEPS.min(self.steps.len() / 2));
        self.left_out += 1;
    }
}

/// The file of one flow.
pub(super) struct Ring {
    file: Option<PathBuf>,
}

impl Ring {
    /// Makes room for one more. Where none can be kept, none is: that is no reason not to log in.
    pub(super) fn begin(folder: &Path, began_ms: u64) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = folder.join("trace");
        if let Err(error) = private_file::make_folder(&folder) {
            tracing::debug!("{}: {error}; no trace is kept", folder.display());
            return Self { file: None };
        }
        for old in names(&folder).into_iter().rev().skip(MOST_FLOWS - 1) {
            let _ = fs::remove_file(folder.join(old));
        }
        let name = format!("{began_ms:015}-{}-{}.json", std::process::id(), COUNT.fetch_add(1, Relaxed));
        Self { file: Some(folder.join(name)) }
    }

    pub(super) fn write(&mut self, flow: &mut Flow) {
        let Some(file) = &self.file else { return };
        let bytes = loop {
            let Ok(bytes) = serde_json::to_vec(flow) else { return };
            if bytes.len() <= MOST_BYTES || flow.steps.is_empty() {
                break bytes;
            }
            flow.leave_one_out();
        };
        if let Err(error) = private_file::replace(file, &bytes) {
            tracing::debug!("{}: {error}; the trace is kept no further", file.display());
            self.file = None;
        }
    }
}

/// The names of the files, oldest first; what is left of writing one counts as its file.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The flows that are kept, oldest first.
pub(super) fn read(folder: &Path) -> Vec<Flow> {
    let folder = folder.join("trace");
    let names = names(&folder);
    let files = names.iter().filter(|name| name.ends_with(".json")).map(|name| folder.join(name));
    files
        .filter_map(|file| {
            let metadata = fs::symlink_metadata(&file).ok()?;
            if !metadata.is_file() || metadata.len() > 2 * MOST_BYTES as u64 {
                return None;
            }
            match serde_json::from_slice(&fs::read(&file).ok()?) {
                Ok(flow) => Some(flow),
                Err(error) => {
                    tracing::warn!("{} is of another version and is passed over: {error}", file.display());
                    None
                }
            }
        })
        .collect()
}
