//! The command line. Every flag has a twin in the environment: `DOORWARD_` and its name in upper case.

mod admin;
mod bridge;
mod client;
mod grants;
mod ladder;
mod mcp_remote;
mod network;
mod registration;
mod serve;
mod storage;
mod trace;
mod units;

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub(crate) use admin::*;
pub(crate) use client::*;
pub(crate) use grants::*;
pub(crate) use ladder::*;
pub(crate) use mcp_remote::McpRemote;
pub(crate) use network::*;
pub(crate) use registration::*;
pub(crate) use serve::*;
pub(crate) use storage::ClientDir;
pub(crate) use trace::Trace;

/// OAuth for MCP servers: put it in front of one, or connect a host to one.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, about, max_term_width = 110, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// How much is said: how often `-v` was given, and whether `-q` was.
    pub(crate) fn loudness(&self) -> (u8, bool) {
        let said = (self.global.verbose, self.global.quiet);
        match &self.command {
            Command::Connect(connect) => connect.mcp_remote.loudness(said.0, said.1),
            Command::Login(login) => login.mcp_remote.loudness(said.0, said.1),
            _ => said,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Say more (-v: each step, -vv: details). Secrets are never shown.
    #[arg(short, long, global = true, help_heading = "On every command", action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Log nothing but errors. What came of a command, and what waits for you, is told all the same.
    #[arg(short, long, global = true, help_heading = "On every command", env = "DOORWARD_QUIET")]
    pub(crate) quiet: bool,
    /// Print one JSON object instead of text; errors become one JSON line on stderr.
    #[arg(long, global = true, help_heading = "On every command", env = "DOORWARD_JSON")]
    pub(crate) json: bool,
}

/// Reads the command line. A switch's twin in the environment takes the usual words for yes and no.
pub(crate) fn read() -> Result<Arguments, clap::Error> {
    let mut command = switches(Arguments::command());
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Arguments::from_arg_matches(&matches).map_err(|refusal| refusal.format(&mut command))
}

fn switches(command: clap::Command) -> clap::Command {
    let is_switch = |arg: &Arg| matches!(arg.get_action(), ArgAction::SetTrue) && arg.get_env().is_some();
    command.mut_args(|arg| if is_switch(&arg) { arg.value_parser(switch) } else { arg }).mut_subcommands(switches)
}

fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "y" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "n" | "off" => Ok(false),
        _ => Err("a switch is set by true and unset by false"),
    }
}

/// Which command these words name, as far as they do.
pub(crate) fn command_in(words: impl Iterator<Item = OsString>) -> String {
    let (mut at, mut names) = (Arguments::command(), vec!["doorward".to_owned()]);
    for word in words.filter_map(|word| word.into_string().ok()).filter(|word| !word.starts_with('-')) {
        let Some(next) = at.find_subcommand(&word).cloned() else { break };
        at = next;
        names.push(word);
    }
    names.join(" ")
}

/// Whether errors are to be JSON, of a command line that makes no sense otherwise.
pub(crate) fn wants_json() -> bool {
    let variable = std::env::var("DOORWARD_JSON");
    std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json")
        || variable.is_ok_and(|text| switch(&text) == Ok(true))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put sign-in, consent and tokens in front of an MCP server.
    Serve(Box<Serve>),
    /// End a gateway's server processes when the gateway itself was killed. Started by `serve`, not by people.
    #[command(hide = true)]
    WatchChildren,
    /// Be a stdio MCP server for a host, in front of a remote one that asks for a login.
    Connect(Box<Connect>),
    /// Log in at an MCP server, with a browser.
    Login(Box<Login>),
    /// Show which logins there are.
    List(List),
    /// Print the access token of a login, renewed when it is about to end.
    Token(Token),
    /// Show who is logged in where, with what scopes, until when, and whether the server still takes it.
    Status(Status),
    /// Renew a login's access token now.
    Refresh(Refresh),
    /// Revoke a login at its server and remove it here.
    Logout(Logout),
    /// Show step by step what the last login, refresh or logout did, and where it failed.
    Trace(Trace),
    /// Administer the accounts of a gateway.
    User {
        #[command(subcommand)]
        command: User,
    },
    /// Administer the apps that you know.
    Client {
        #[command(subcommand)]
        command: Client,
    },
    /// Administer the keys that sign access tokens.
    Key {
        #[command(subcommand)]
        command: Key,
    },
    /// Read and check the record of what happened.
    AuditLog {
        #[command(subcommand)]
        command: AuditLog,
    },
    /// Copy a gateway's state into one file, while it runs.
    Backup {
        /// The file to make.
        file: PathBuf,
        #[command(flatten)]
        key: OperatorKeyFile,
        #[command(flatten)]
        state: State,
    },
    /// Explain a command, or one of: sign-in, enterprise, exit-codes, environment, security.
    Help {
        /// A command or a topic.
        #[arg(value_name = "COMMAND|TOPIC")]
        about: Vec<String>,
    },
}
