//! OAuth for MCP servers in one binary: put it in front of a server, connect a host to one.
//!
//! This is the only `main` and the only wiring: arguments, configuration, what is joined to what, and words for people.

mod audit_log;
mod backup;
mod cli;
mod client;
mod clock;
mod connect;
mod entropy;
mod failure;
mod help;
mod key;
mod login;
mod mcp_remote;
mod network;
mod operator_key;
mod output;
mod private_file;
mod serve;
mod state;
mod trace;
mod user;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match cli::read() {
        Ok(arguments) => arguments,
        Err(refusal) => {
            if let Some(failure) = failure::Failure::usage(&refusal) {
                return failure.report(cli::wants_json());
            }
            // Help and version go to stdout and are no failure.
            let status = if refusal.use_stderr() { failure::Exit::Usage } else { failure::Exit::Ok };
            let _ = refusal.print();
            return status.into();
        }
    };
    if matches!(arguments.command, cli::Command::WatchChildren) {
        doorward_relay::watch_children(std::io::stdin().lock());
        return failure::Exit::Ok.into();
    }
    keep_memory_out_of_files();
    let (verbose, quiet) = arguments.loudness();
    output::start_log(verbose, quiet);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::starting(&error).report(arguments.global.json),
    };
    let (json, details) = (arguments.global.json, arguments.global.verbose > 0);
    let result = runtime.block_on(async {
        match arguments.command {
            cli::Command::Serve(serve) => serve::run(*serve, json).await,
            cli::Command::Connect(connect) => connect::run(*connect).await,
            cli::Command::Login(login) => login::run(*login, json).await,
            cli::Command::List(list) => login::list(list, json).await,
            cli::Command::Token(token) => login::token(token, json).await,
            cli::Command::Status(status) => login::status(status, json).await,
            cli::Command::Refresh(refresh) => login::refresh(refresh, json).await,
            cli::Command::Logout(logout) => login::logout(logout, json).await,
            cli::Command::Trace(trace) => trace::run(trace, details, json).await,
            cli::Command::User { command } => user::run(command, json).await,
            cli::Command::Client { command } => client::run(command, json).await,
            cli::Command::Key { command } => key::run(command, json).await,
            cli::Command::AuditLog { command } => audit_log::run(command, json).await,
            cli::Command::Backup { file, key, state } => backup::run(file, &key, &state, json).await,
            cli::Command::Help { about } => help::run(&about),
            cli::Command::WatchChildren => Ok(()),
        }
    });
    // A reader of stdin that waits for a line cannot be cancelled; nothing is worth waiting for it.
    runtime.shutdown_background();
    match result {
        Ok(()) => failure::Exit::Ok.into(),
        Err(failure) => failure.report(json),
    }
}

/// A crash writes no core file: tokens and keys would lie in it. What cannot be had is no reason not to start.
#[cfg(unix)]
fn keep_memory_out_of_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}

#[cfg(not(unix))]
fn keep_memory_out_of_files() {}
