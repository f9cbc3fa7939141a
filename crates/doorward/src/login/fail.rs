//! The client's failures in the program's words.

use doorward_client::{self as client, Code, Failed, StoreFault, Target, login_command};
use doorward_types::{ResourceId, outbound::FetchFailed};

use crate::failure::{Exit, Failure};

impl From<Failed> for Box<Failure> {
    fn from(failed: Failed) -> Self {
        let exit = match failed.exit() {
            client::Exit::Error => Exit::Error,
            client::Exit::Usage => Exit::Usage,
            client::Exit::AuthenticationNeeded => Exit::AuthenticationNeeded,
            client::Exit::Unreachable => Exit::Unreachable,
            client::Exit::Refused => Exit::Refused,
        };
        Failure::new(failed.code().as_str(), exit, failed.what(), failed.why(), failed.hint())
    }
}

/// The MCP server gave no answer.
pub(super) fn unreachable(resource: &ResourceId, failed: &FetchFailed) -> Failed {
    let (code, hint) = client::about_the_way(failed).unwrap_or(match failed {
        // The addresses of private networks are followed when they are given as such.
        FetchFailed::Forbidden(what) if what.parse::<std::net::IpAddr>().is_ok() => {
            (Code::Forbidden, "check the address: it is a special one, to which nothing is sent")
        }
        FetchFailed::Forbidden(_) => {
            (Code::Forbidden, "a name that leads into a private network is not followed: give the address itself")
        }
        _ => (Code::Unreachable, "check the address, whether the server runs, and the network"),
    });
    Failed::new(code, "the MCP server could not be reached", format!("{resource}: {failed}"), hint)
}

/// The credential store cannot be used.
pub(super) fn store(fault: &StoreFault) -> Failed {
    let (why, next) = fault.parts();
    let usual = "put right what it says, or name another folder with DOORWARD_CLIENT_DIR";
    Failed::new(Code::Store, "the stored logins cannot be used", why, next.unwrap_or(usual))
}

/// A person has to log in, and none is here.
pub(super) fn log_in_as(target: &Target, why: &str) -> Failed {
    person_needed(&target.resource, why, &login_command(target))
}

/// A stored login whose URL is none any more.
pub(super) fn stored_target(failure: &Failure) -> Failed {
    Failed::new(Code::BadTarget, &failure.what, &failure.why, &failure.next)
}

/// The same, where another command is the one to type.
pub(super) fn person_needed(resource: &ResourceId, why: &str, command: &str) -> Failed {
    Failed::new(
        Code::LoginNeeded,
        format!("{resource} needs a login first"),
        why,
        format!("in a terminal, type: {command}"),
    )
}

/// A client that was registered a moment ago is unknown.
pub(super) fn forgotten_again() -> Failed {
    Failed::new(
        Code::ClientUnknown,
        "the authorization server does not know the client that it has just registered",
        "its sign-in page refuses the client once more",
        "ask the operator of the server",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_next_fits_why_there_was_no_answer() {
        let resource = ResourceId::parse("https://mcp.example/mcp").unwrap();
        for (failed, next) in [
            (FetchFailed::Tls("the certificate expired 2 days ago by this computer's clock".into()), "clock"),
            (FetchFailed::Tls("UnknownIssuer".into()), "--ca FILE"),
            (FetchFailed::Forbidden("192.0.2.1".into()), "special"),
            (FetchFailed::Forbidden("mcp.example".into()), "give the address itself"),
        ] {
            let told = unreachable(&resource, &failed);
            assert!(told.hint().contains(next), "{told}");
        }
    }
}
