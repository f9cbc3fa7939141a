//! How long a person lets a client in.

use std::time::Duration;

use doorward_types::Timestamp;

/// A choice of the person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Eight hours.
    Hours8,
    /// Thirty days.
    Days30,
    /// Until somebody ends it, or as long as the policy allows.
    UntilRevoked,
}

const HOURS_8: Duration = Duration::from_secs(8 * 3600);
const DAYS_30: Duration = Duration::from_secs(30 * 24 * 3600);

impl Lasts {
    /// All choices, the shortest first.
    pub const ALL: [Self; 3] = [Self::Hours8, Self::Days30, Self::UntilRevoked];

    /// The value in the form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hours8 => "hours8",
            Self::Days30 => "days30",
            Self::UntilRevoked => "until_revoked",
        }
    }

    /// Reads the value of the form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lasts| lasts.name() == text)
    }

    /// The choices that are left under a limit, the shortest first; there is always one.
    pub fn within(limit: Option<Duration>) -> Vec<Self> {
        let Some(limit) = limit else { return Self::ALL.to_vec() };
        let offered = |lasts: &Self| match lasts.duration() {
            Some(duration) => duration <= limit,
            None => limit != HOURS_8 && limit != DAYS_30,
        };
        Self::ALL.into_iter().filter(offered).collect()
    }

    /// The moment at which it ends; none for: when it is revoked. No choice goes beyond the limit.
    pub fn end(self, now: Timestamp, limit: Option<Duration>) -> Option<Timestamp> {
        self.duration().into_iter().chain(limit).min().map(|duration| now.plus(duration))
    }

    const fn duration(self) -> Option<Duration> {
        match self {
            Self::Hours8 => Some(HOURS_8),
            Self::Days30 => Some(DAYS_30),
            Self::UntilRevoked => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, seconds};

    #[test]
    fn durations_are_named() {
        for lasts in Lasts::ALL {
            assert_eq!(Lasts::parse(lasts.name()), Some(lasts));
        }
        assert_eq!(Lasts::parse("forever"), None);
        assert_eq!(Lasts::Hours8.end(at(0), None), Some(at(8 * 3600)));
        assert_eq!(Lasts::UntilRevoked.end(at(0), None), None);
    }

    #[test]
    fn no_choice_goes_beyond_the_limit() {
        use Lasts::{Days30, Hours8, UntilRevoked};
        for (limit, offered) in [
            (None, &[Hours8, Days30, UntilRevoked][..]),
            (Some(60), &[UntilRevoked]),
            (Some(8 * 3600), &[Hours8]),
            (Some(24 * 3600), &[Hours8, UntilRevoked]),
            (Some(30 * 24 * 3600), &[Hours8, Days30]),
            (Some(90 * 24 * 3600), &[Hours8, Days30, UntilRevoked]),
        ] {
            let limit = limit.map(seconds);
            assert_eq!(Lasts::within(limit), offered, "{limit:?}");
            for lasts in Lasts::ALL {
                let end = lasts.end(at(0), limit);
                assert!(
                    limit.is_none_or(|limit| end.is_some_and(|end| end <= at(0).plus(limit))),
                    "{limit:?} {lasts:?}"
                );
            }
        }
    }
}
