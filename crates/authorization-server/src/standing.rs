//! Whether a grant can still be used, for the page that lists them.

use doorward_types::Timestamp;

use crate::{
    Policy,
    facts::{Client, Grant, GrantKind},
};

/// What has become of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It yields tokens, or its last one still runs.
    Live,
    /// It ended at this moment.
    Ended(Timestamp, Ending),
}

/// Why a grant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Somebody ended it.
    Revoked,
    /// The time that it was allowed for is over.
    Expired,
    /// The app did not use it for so long that it has no token left.
    Unused,
}

/// Judges a grant. One that was not used ends without anybody's doing: once its code, its last refresh token and its last
/// access token are over, nobody can use it any more.
pub fn standing(policy: &Policy, client: Option<&Client>, grant: &Grant, now: Timestamp) -> Standing {
    if let Some(at) = grant.revoked_at {
        return Standing::Ended(at, Ending::Revoked);
    }
    let lifetimes = &policy.lifetimes;
    let unused = match grant.last_used_at {
        Some(at) if grant.refreshes => {
            let idle = client.map_or(lifetimes.refresh_idle, |client| policy.refresh_idle(client));
            at.plus(idle.max(lifetimes.access_token))
        }
        Some(at) => at.plus(lifetimes.access_token),
        None => grant.created_at.plus(match grant.kind {
            GrantKind::DeviceCode => lifetimes.device_code,
            _ => lifetimes.code,
        }),
    };
    let ends = grant.expires_at.map(|at| (at, Ending::Expired)).into_iter().chain([(unused, Ending::Unused)]);
    match ends.min_by_key(|(at, _)| *at) {
        Some((at, why)) if at <= now => Standing::Ended(at, why),
        _ => Standing::Live,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{at, client, grant, policy, seconds},
        policy::Ceiling,
    };

    #[test]
    fn a_grant_ends_when_nobody_can_use_it_any_more() {
        let policy = policy();
        let days = |days: i64| days * 24 * 3600;
        let new = grant();
        let used = Grant { last_used_at: Some(at(10)), ..new.clone() };
        let without = Grant { refreshes: false, ..used.clone() };
        let device = Grant { kind: GrantKind::DeviceCode, ..new.clone() };
        for (grant, end, why) in [
            (&new, 60, Ending::Unused),
            (&device, 15 * 60, Ending::Unused),
            (&used, days(30) + 10, Ending::Unused),
            (&without, 10 * 60 + 10, Ending::Unused),
            (&Grant { expires_at: Some(at(days(8))), ..used.clone() }, days(8), Ending::Expired),
            (&Grant { expires_at: Some(at(days(80))), ..used.clone() }, days(30) + 10, Ending::Unused),
            (&Grant { revoked_at: Some(at(5)), ..used.clone() }, 5, Ending::Revoked),
        ] {
            let of = |now| standing(&policy, Some(&client()), grant, at(now));
            assert_eq!(of(end), Standing::Ended(at(end), why), "{grant:?}");
            assert!(why == Ending::Revoked || of(end - 1) == Standing::Live, "{grant:?}");
        }
        let strangers = Ceiling { refresh_idle: Some(seconds(3600)), ..Ceiling::default() };
        let strict = Policy { strangers, ..policy.clone() };
        assert_eq!(standing(&strict, Some(&client()), &used, at(3610)), Standing::Ended(at(3610), Ending::Unused));
        // What is said of strangers only ever shortens.
        let wide = Ceiling { refresh_idle: Some(seconds(1_000_000_000)), ..Ceiling::default() };
        let wide = Policy { strangers: wide, ..policy };
        assert_eq!(wide.refresh_idle(&client()), wide.lifetimes.refresh_idle);
    }
}
