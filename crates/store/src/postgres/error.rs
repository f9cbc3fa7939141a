//! What PostgreSQL's error codes mean for a transaction. Source: PostgreSQL, appendix A.

/// The transaction lost against another one and did nothing: it may be tried again.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01"))
}

/// The connection ended: what was under way on it may have happened or not.
pub(super) fn is_cut(error: &sqlx::Error) -> bool {
    match code(error) {
        // The server shuts down or breaks off the connection; class 08 speaks of connections as such.
        Some(code) => code.starts_with("57P") || code.starts_with("08"),
        None => {
            matches!(
                error,
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed
            )
        }
    }
}

/// Nobody is there, or nobody who has time.
pub(super) fn is_away(error: &sqlx::Error) -> bool {
    is_cut(error) || matches!(error, sqlx::Error::PoolTimedOut) || code(error).as_deref() == Some("53300")
}

pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}
