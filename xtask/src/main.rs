//! The project's one command for its own work: `cargo xtask NAME`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod arrows;
mod bans;
mod bench;
mod foreign;
mod fuzz;
mod lint;
mod pure;
mod requirements;
mod shell;
mod soak;
mod test;

use std::process::ExitCode;

const USAGE: &str = "cargo xtask NAME

  test [FILTER…]         install what the tests need, build, run every test (or those whose name holds a FILTER)
  lint                   rustfmt --check, clippy with warnings denied, banned crates, arrows
  arrows                 check which crate may depend on which
  fuzz [--seconds 60] [TARGET…]
                         let each fuzz target run for so long, two at a time
  soak races [--rounds N]
                         two gateway processes on one database and many requests at once: N rounds on each engine (1000)
  soak bridges [--rounds N]
                         sixteen bridges at once on one store, and kill -9 for the one with the lock: N rounds (200)
  bench bridge [--runs N]
                         doorward connect beside mcp-remote, in turns: start, memory, time per call (15 runs)
  requirements [--list]  which requirement is proved by which test; fails on one that is neither proved nor listed with a
                         reason in docs/conformance.md (--list never fails)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["test", filters @ ..] => test::run(filters),
        ["lint"] => lint::run(),
        ["arrows"] => arrows::run(),
        ["fuzz", what @ ..] => fuzz::run(what),
        ["soak", what @ ..] => soak::run(what),
        ["bench", what @ ..] => bench::run(what),
        ["requirements"] => requirements::run(true),
        ["requirements", "--list"] => requirements::run(false),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => {
            eprintln!("no such task: {}\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
