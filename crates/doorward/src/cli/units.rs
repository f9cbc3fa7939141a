//! Lengths of time as people write them: `30s`, `10m`, `8h`, `30d`.

use std::{fmt, str::FromStr, time::Duration};

/// A length of time from the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse =
            || format!("{text:?} is no length of time: write a whole number and its unit, such as 30s, 10m, 8h or 30d");
        let (unit, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit)).ok_or_else(refuse)?;
        let number = text.strip_suffix(unit).unwrap_or_default();
        // `parse` alone would take a sign.
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse());
        }
        let number: u64 = number.parse().map_err(|_| refuse())?;
        // A hundred years: what is longer is a mistake, and sums with it could overflow.
        match number.checked_mul(seconds) {
            Some(seconds) if seconds <= 100 * 366 * 86_400 => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(format!("{text} is longer than a hundred years")),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let unit = UNITS.into_iter().find(|(_, unit)| seconds > 0 && seconds.is_multiple_of(*unit));
        let (unit, size) = unit.unwrap_or(('s', 1));
        write!(f, "{}{unit}", seconds / size)
    }
}

/// Reads a length of time that must be more than nothing.
pub(crate) fn some_time(text: &str) -> Result<Span, String> {
    match text.parse()? {
        Span(Duration::ZERO) => Err("it must be longer than nothing".into()),
        span => Ok(span),
    }
}

/// Reads the grace of a refresh: long enough for a lost answer, too short to be a second life.
pub(crate) fn grace(text: &str) -> Result<Span, String> {
    let span: Span = text.parse()?;
    if span.0 > Duration::from_secs(120) {
        return Err("it can be 120s at the most: within it a stolen token works beside the right one".into());
    }
    Ok(span)
}

/// A length of time, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Longest(pub(crate) Option<Duration>);

impl FromStr for Longest {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self(None)) } else { some_time(text).map(|span| Self(Some(span.0))) }
    }
}

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(time) => Span(time).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        // proves: FLT-07
        for (text, seconds) in [("0s", 0), ("30s", 30), ("10m", 600), ("8h", 28_800), ("30d", 2_592_000)] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0.as_secs(), span.to_string().as_str()), (seconds, text));
        }
        for bad in ["", "30", "s", "-1s", "+1s", "1.5h", "1w", "1 h", "999999999999999999999d", "40000d", "é"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        assert!(some_time("0s").is_err() && grace("121s").is_err());
        assert_eq!((grace("0s").unwrap().0, grace("2m").unwrap().0.as_secs()), (Duration::ZERO, 120));
        assert_eq!(
            ("none".parse::<Longest>().unwrap().0, "8h".parse::<Longest>().unwrap().to_string()),
            (None, "8h".into())
        );
    }
}
