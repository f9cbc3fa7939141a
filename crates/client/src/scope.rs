//! Which scopes to ask for.

use doorward_types::{Scope, ScopeSet, challenge};
use http::HeaderMap;

use crate::{Code, Failed, Target};

/// The most scopes that are taken from one list of a server.
const MOST_SCOPES: usize = 64;
/// The most times that one operation is authorized anew because the server wants more.
const MOST_STEP_UPS: u8 = 2;

/// The scopes of a challenge or a metadata document: those that are well-formed, up to a limit.
pub(crate) fn readable<'a>(scopes: impl IntoIterator<Item = &'a str>) -> ScopeSet {
    scopes.into_iter().filter_map(|scope| Scope::parse(scope).ok()).take(MOST_SCOPES).collect()
}

/// The scopes that the first `Bearer` challenge names.
pub(crate) fn of_challenge(headers: &HeaderMap) -> Option<ScopeSet> {
    let challenge = challenge::bearer(headers)?;
    let scopes = readable(challenge.get("scope")?.split_ascii_whitespace());
    (!scopes.is_empty()).then_some(scopes)
}

/// Chooses: what the user wants; else what the challenge says; else what was asked for before; else all that the
/// resource lists; else nothing, which leaves the choice to the server. What was asked for before is kept in any case.
/// `offline_access` is added where the authorization server lists it, but never alone: alone it would ask for nothing else.
///
/// Without a person the list of the resource is not asked for: nobody narrows it at a consent page, and a client that may do
/// less would be refused as a whole. What the operator gave the client is then what it gets. Nor is there a refresh token.
///
/// Source: MCP 2026-07-28 authorization, "Scope Selection Strategy" and "Refresh Tokens".
pub(crate) fn choose(
    target: &Target,
    challenged: Option<&ScopeSet>,
    listed: &ScopeSet,
    server_lists: &[String],
) -> Option<ScopeSet> {
    if let Some(wanted) = &target.scope {
        return Some(wanted.clone()).filter(|wanted| !wanted.is_empty());
    }
    let before = target.requested_before.as_ref();
    let listed = Some(listed).filter(|listed| !listed.is_empty() && target.grant.needs_a_person());
    let chosen = challenged.or(before).or(listed)?;
    let mut chosen = before.map_or_else(|| chosen.clone(), |before| chosen.union(before));
    if target.grant.needs_a_person() && server_lists.iter().any(|scope| scope == "offline_access") {
        chosen = chosen.union(&readable(["offline_access"]));
    }
    Some(chosen)
}

/// Counts how often one operation at one server was authorized anew for want of scope.
///
/// Source: MCP 2026-07-28 authorization, "Step-Up Authorization Flow".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepUps {
    made: u8,
}

impl StepUps {
    /// What to ask for next, after a 403 with these headers: what was asked for so far and what the challenge names.
    /// It goes into [`Target::requested_before`] of the next login.
    ///
    /// # Errors
    /// When the server has asked for more too often, or says not what it wants.
    pub fn next(&mut self, requested: Option<&ScopeSet>, headers: &HeaderMap) -> Result<ScopeSet, Failed> {
        let Some(challenged) = of_challenge(headers) else {
            return Err(Failed::new(
                Code::AuthorizationRefused,
                "the server refuses this operation and does not say which scope would allow it",
                "403 without a scope in WWW-Authenticate",
                "ask the operator of the server",
            ));
        };
        if self.made >= MOST_STEP_UPS {
            return Err(Failed::new(
                Code::TooManyStepUps,
                "the server still refuses this operation although its scopes were granted",
                format!("it asked for \"{challenged}\" after {} more logins", self.made),
                "the account may lack the right itself; ask the operator of the server",
            ));
        }
        self.made += 1;
        Ok(requested.map_or(challenged.clone(), |requested| requested.union(&challenged)))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::WWW_AUTHENTICATE};

    use super::*;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    fn challenge(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_str(text).unwrap())])
    }

    #[test]
    fn scopes_are_chosen_in_the_specs_order() {
        // proves: MCP-AUTH-099, MCP-AUTH-100, MCP-AUTH-101, MCP-AUTH-103, MCP-AUTH-104, MCP-AUTH-121
        // wanted, before, challenged, listed, does the server list offline_access, chosen
        type Row<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, &'a str, bool, Option<&'a str>);
        let rows: [Row<'_>; 10] = [
            (None, None, Some("a"), "b c", false, Some("a")),
            (None, None, None, "b c", false, Some("b c")),
            (None, None, None, "", false, None),
            (None, None, None, "", true, None),
            (None, None, Some("a"), "b", true, Some("a offline_access")),
            (Some("x"), None, Some("a"), "b", true, Some("x")),
            (None, Some("p"), Some("a"), "b", false, Some("a p")),
            (None, Some("p"), None, "b", false, Some("p")),
            (None, Some("p"), None, "", false, Some("p")),
            (Some(""), None, Some("a"), "b", false, None),
        ];
        for row in rows {
            let (wanted, before, challenged, listed, offline, chosen) = row;
            let mut target = Target::new("https://h.example/mcp", "t").unwrap();
            (target.scope, target.requested_before) = (wanted.map(set), before.map(set));
            let server = if offline { vec!["offline_access".to_owned()] } else { vec!["z".to_owned()] };
            let got = choose(&target, challenged.map(set).as_ref(), &set(listed), &server);
            assert_eq!(got, chosen.map(set), "{row:?}");
        }
    }

    #[test]
    fn a_challenges_scopes_are_read_within_limits() {
        // proves: DISC-09
        assert_eq!(of_challenge(&challenge("Bearer scope=\"a  b\ta \\\" c\"")), Some(set("a b c")));
        assert_eq!(of_challenge(&challenge("Bearer scope=\"\"")), None);
        assert_eq!(of_challenge(&challenge("Basic scope=\"a\"")), None);
        let many = (0..1000).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(of_challenge(&challenge(&format!("Bearer scope=\"{many}\""))).unwrap().iter().count(), MOST_SCOPES);
    }

    #[test]
    fn a_step_up_asks_for_the_union_and_ends() {
        // proves: MCP-AUTH-112, MCP-AUTH-113, MCP-AUTH-114, STEP-03
        let mut steps = StepUps::default();
        let first =
            steps.next(Some(&set("a")), &challenge("Bearer error=\"insufficient_scope\", scope=\"b\"")).unwrap();
        assert_eq!(first, set("a b"));
        let second = steps.next(Some(&first), &challenge("Bearer scope=\"c\"")).unwrap();
        assert_eq!(second, set("a b c"));
        assert_eq!(
            steps.next(Some(&second), &challenge("Bearer scope=\"d\"")).unwrap_err().code(),
            Code::TooManyStepUps
        );
        let mut other = StepUps::default();
        assert_eq!(other.next(None, &challenge("Bearer")).unwrap_err().code(), Code::AuthorizationRefused);
    }
}
