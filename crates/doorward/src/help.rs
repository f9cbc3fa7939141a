//! `doorward help`: commands, and topics that belong to no single command.

use clap::{Command, CommandFactory as _};

use crate::{
    cli,
    failure::{Exit, Failure},
    output,
};

const SIGN_IN: &str = "\
How a person signs in

What is there is used first: a stored login, renewed when it is about to end. Where a person is needed, doorward
finds the way by itself, and says on stderr what it waits for and how long (--timeout).

1. It takes hold of a port on this computer, tries whether it can be reached, and opens the sign-in page in your browser
   ($BROWSER, or the desktop's own). The browser comes back to that port. Where there is no browser the page's address is
   printed.
2. Where that cannot be (the port is blocked, or the browser is at the other end of an SSH connection), a code is shown
   that is typed on any other device, if the server can do that. --device says beforehand that this is what you want.
3. A browser on another computer ends on a page that cannot be reached. Paste that page's address into the terminal, or
   make the port reachable with the ssh -L command that is shown. --paste says beforehand that this is what you want.
4. Where nobody is there (no terminal, no desktop, no BROWSER), nothing waits: the exit code is 3 within a second, and the
   message holds the command to type in a terminal. Under an MCP host the session goes on: its tools answer with that
   command, or the host shows a page to log in at, and the next call after the login goes through.

A login of mcp-remote's is taken over with doorward login URL --import, and nobody has to sign in.

Without a person: --client-credentials (with --client-id and a secret or a key), --assertion-file, --assertion-env.

Where your organisation decides who may use a server: doorward help enterprise.

A port that is taken, blocked or answered by another program is recognised. The program is named, and the next way is
taken.

doorward trace --last shows afterwards each step of a sign-in and which one failed; -v shows them while it happens.";

const ENTERPRISE: &str = "\
Signing in at your organisation's identity provider

  doorward login URL --enterprise-idp ISSUER --enterprise-client-id ID --enterprise-client-secret-file FILE \\
    --client-id ID_AT_THE_SERVER --client-secret-file FILE

You sign in at ISSUER, once for all servers that believe it; for each of them the identity provider then says whether you may
come in (an ID-JAG), and nobody is asked. The next server takes the same line with its own URL and --client-id, and opens no page.
Once a login is there, doorward connect URL and doorward login URL need none of the flags.

Your administrator registers doorward at the identity provider as a native app with the redirect URI
http://127.0.0.1/callback (or --enterprise-redirect-uri) and at each server as a client that may use the grant jwt-bearer.
At a doorward gateway: doorward serve --enterprise-issuer ISSUER, doorward client add NAME --auth basic --grant jwt-bearer.

Tokens are renewed by themselves while the sign-in lasts. doorward list shows it; doorward logout URL leaves it, and
doorward logout --all ends it too. Where another program signs people in, name its ID token with --id-token-file or
--id-token-env.";

const EXIT_CODES: &str = "\
Exit codes

  0    ok
  1    error
  2    usage: the command line makes no sense
  3    authentication needed: a person has to log in
  4    unreachable: no connection, or TLS failed; trying later may help
  5    refused: a server said no, or says what must not be believed
  6    configuration invalid
  130  interrupted

An error is three lines on stderr: what happened with its code, why, and what to try. With --json it is one line:
  {\"error\":{\"code\":\"CL-403\",\"message\":\"...\",\"reason\":\"...\",\"hint\":\"...\"}}
Each code has a paragraph in docs/errors.md.";

const SECURITY: &str = "\
Security

Logins       Stored sealed, in files readable by you alone; each for one server and one account. The key lies in the
             system's keychain or comes from a passphrase; with --plain-credentials it lies beside them. A token goes to
             the server it was issued for and to no other, and no redirect carries it elsewhere.
Sign-in      PKCE with S256 always; a server that does not offer it is refused. What comes back is taken when its state,
             then its issuer (RFC 9207) are right, and once. The port listens on loopback addresses only and answers
             nobody but a browser that follows a link. Only https pages are opened, or http ones on this computer; no
             shell sees an address.
Secrets      Never a flag's value, which other users can see: a file, the environment, or - for standard input. Logs,
             -v, errors and doorward trace show none.
Discovery    Metadata that lies in a private network, at another origin or under another name is refused, unless the
             server itself is there.
Logging out  doorward logout URL revokes at the server first and says whether the server confirmed it.

Report a weakness as SECURITY.md says.";

/// Runs the command.
pub(crate) fn run(about: &[String]) -> Result<(), Box<Failure>> {
    let words: Vec<_> = about.iter().map(String::as_str).collect();
    let text = match words[..] {
        ["sign-in"] => SIGN_IN.to_owned(),
        ["enterprise"] => ENTERPRISE.to_owned(),
        ["exit-codes"] => EXIT_CODES.to_owned(),
        ["environment"] => environment(),
        ["security"] => SECURITY.to_owned(),
        _ => of_command(&words)?,
    };
    output::data(&text);
    Ok(())
}

fn of_command(words: &[&str]) -> Result<String, Box<Failure>> {
    let mut root = cli::Arguments::command();
    root.build();
    let mut command = &mut root;
    for word in words {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            Failure::new(
                "CLI-01",
                Exit::Usage,
                format!("there is no help about {:?}", words.join(" ")),
                format!(
                    "{word:?} is neither a command nor one of sign-in, enterprise, exit-codes, environment, security"
                ),
                "doorward help",
            )
        })?;
    }
    Ok(command.render_long_help().ansi().to_string().trim_end().to_owned())
}

/// Every flag's twin, as the command line itself knows them, and what else is looked at.
fn environment() -> String {
    let mut root = cli::Arguments::command();
    root.build();
    let mut twins = Vec::new();
    collect(&root, "", &mut twins);
    twins.sort();
    twins.dedup_by(|one, other| one.0 == other.0);
    let width = twins.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let twins: Vec<_> = twins.iter().map(|(name, flag)| format!("  {name:<width$}  {flag}")).collect();
    format!(
        "Environment\n\nA flag on the command line goes before its twin here. A switch is set by true and unset by \
         false.\n\n{}\n\nAlso looked at:\n\
         \x20 BROWSER                     the command that opens a sign-in page; its words are parted by spaces\n\
         \x20 DISPLAY, WAYLAND_DISPLAY    whether there is a desktop\n\
         \x20 SSH_CONNECTION, USER        the ssh -L command that is shown\n\
         \x20 XDG_STATE_HOME, HOME        where logins and a gateway's state lie\n\
         \x20 NO_COLOR, CLICOLOR_FORCE    whether there are colours\n\
         \x20 RUST_LOG                    what is logged, instead of -v and -q",
        twins.join("\n")
    )
}

fn collect(command: &Command, name: &str, twins: &mut Vec<(String, String)>) {
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        if let (Some(variable), Some(flag)) = (argument.get_env(), argument.get_long()) {
            let of = if name.is_empty() { String::new() } else { format!(" of {name}") };
            twins.push((variable.to_string_lossy().into_owned(), format!("--{flag}{of}")));
        }
    }
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        collect(inner, format!("{name} {}", inner.get_name()).trim(), twins);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_explained() {
        for exit in [
            Exit::Ok,
            Exit::Error,
            Exit::Usage,
            Exit::AuthenticationNeeded,
            Exit::Unreachable,
            Exit::Refused,
            Exit::Configuration,
        ] {
            assert!(EXIT_CODES.lines().any(|line| line.starts_with(&format!("  {}  ", exit as u8))), "{exit:?}");
        }
    }

    #[test]
    fn every_flag_has_its_twin_in_the_environment() {
        let mut root = cli::Arguments::command();
        root.build();
        fn check(command: &Command) {
            for argument in command.get_arguments() {
                let Some(flag) = argument.get_long() else { continue };
                // What is not shown is another program's spelling; and several headers in one variable could not be told
                // apart.
                let of_its_own = argument.is_hide_set() || (flag == "header" && command.get_name() != "token");
                if matches!(flag, "help" | "version" | "verbose") || of_its_own {
                    continue;
                }
                let twin = format!("DOORWARD_{}", flag.to_uppercase().replace('-', "_"));
                let own = argument.get_env().map(|name| name.to_string_lossy().into_owned());
                assert_eq!(own.as_deref(), Some(&*twin), "{} --{flag}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        for name in ["connect", "login", "list", "status", "token", "refresh", "logout", "trace"] {
            check(root.find_subcommand(name).expect("a command"));
        }
        assert!(environment().contains("DOORWARD_TIMEOUT"));
    }

    #[test]
    fn help_is_there_for_commands_and_topics() {
        for about in [
            &[][..],
            &["login"],
            &["key", "rotate"],
            &["sign-in"],
            &["enterprise"],
            &["exit-codes"],
            &["environment"],
            &["security"],
        ] {
            run(&about.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap();
        }
        let failed = run(&["nonsense".to_owned()]).unwrap_err();
        assert_eq!((failed.code, failed.exit), ("CLI-01", Exit::Usage));
    }
}
