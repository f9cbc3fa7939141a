//! Every SQL statement, once. The texts use what SQLite and PostgreSQL have in common (`$1` placeholders,
//! `ON CONFLICT`, partial indexes, truth values as 0 and 1), so that both engines can run them.

macro_rules! grant_columns {
    () => {
        "g.id AS g_id, g.account AS g_account, g.client AS g_client, g.redirect_uri AS g_redirect_uri, \
         g.resource AS g_resource, g.scope AS g_scope, g.created_at AS g_created_at, g.expires_at AS g_expires_at, \
         g.last_used_at AS g_last_used_at, g.revoked_at AS g_revoked_at"
    };
}

macro_rules! account_columns {
    () => {
        "a.id AS a_id, a.name AS a_name, a.password AS a_password, a.administrator AS a_administrator, \
         a.disabled AS a_disabled, a.created_at AS a_created_at"
    };
}

macro_rules! client_columns {
    () => {
        "c.id AS c_id, c.origin AS c_origin, c.name AS c_name, c.redirect_uris AS c_redirect_uris, \
         c.auth_method AS c_auth_method, c.secret AS c_secret, c.grant_types AS c_grant_types, \
         c.application_type AS c_application_type, c.created_at AS c_created_at"
    };
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $($text:expr),+;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = concat!($($text),+);)*
        /// All of them by name, for the test that prepares each.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

// Transactions.
statements! {
    /// A write transaction, taken at once: a transaction that read first could not be made one later.
    BEGIN = "BEGIN IMMEDIATE";
    COMMIT = "COMMIT";
    /// Each request of a group can be undone alone.
    SAVEPOINT = "SAVEPOINT request";
    UNDO = "ROLLBACK TO SAVEPOINT request";
    RELEASE = "RELEASE SAVEPOINT request";

    /// Of SQLite alone: another number than before says that another connection wrote.
    DATA_VERSION = "PRAGMA data_version";

    CLIENT = "SELECT ", client_columns!(), " FROM clients c WHERE c.id = $1";

    INTERACTION = "SELECT digest, browser, request, expires_at, spent FROM interactions WHERE digest = $1";

    CODE = "SELECT k.digest AS k_digest, k.grant_id AS k_grant_id, k.client AS k_client, \
            k.redirect_uri AS k_redirect_uri, k.challenge AS k_challenge, k.expires_at AS k_expires_at, \
            k.wrong_verifiers AS k_wrong_verifiers, k.redeemed_at AS k_redeemed_at, ",
        grant_columns!(), ", ", account_columns!(),
        " FROM codes k JOIN grants g ON g.id = k.grant_id LEFT JOIN accounts a ON a.id = g.account WHERE k.digest = $1";

    REFRESH = "SELECT r.digest AS r_digest, r.grant_id AS r_grant_id, r.issued_at AS r_issued_at, \
               r.expires_at AS r_expires_at, r.rotated_at AS r_rotated_at, r.successor AS r_successor, \
               r.answer AS r_answer, r.replays AS r_replays, s.rotated_at AS s_rotated_at, ",
        grant_columns!(), ", ", account_columns!(),
        " FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id LEFT JOIN accounts a ON a.id = g.account \
         LEFT JOIN refresh_tokens s ON s.digest = r.successor WHERE r.digest = $1";

    GRANT = "SELECT ", grant_columns!(), " FROM grants g WHERE g.id = $1";

    GRANTS_OF = "SELECT ", grant_columns!(), ", ", client_columns!(),
        " FROM grants g LEFT JOIN clients c ON c.id = g.client \
         WHERE g.account = $1 AND g.revoked_at IS NULL ORDER BY g.created_at DESC, g.id";

    ACCOUNT = "SELECT ", account_columns!(), " FROM accounts a WHERE a.id = $1";

    ACCOUNT_BY_NAME = "SELECT ", account_columns!(), " FROM accounts a WHERE a.name_key = $1";

    SESSION = "SELECT s.digest AS s_digest, s.account AS s_account, s.signed_in_at AS s_signed_in_at, \
               s.expires_at AS s_expires_at, ", account_columns!(),
        " FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.digest = $1";

    HAS_ACCOUNTS = "SELECT CASE WHEN EXISTS (SELECT 1 FROM accounts) THEN 1 ELSE 0 END";

    SETUP = "SELECT digest FROM setup WHERE id = 1 AND spent = 0";

    REVOKED_GRANTS = "SELECT id, revoked_at FROM grants WHERE revoked_at IS NOT NULL";

    INSERT_CLIENT = "INSERT INTO clients (id, origin, name, redirect_uris, auth_method, secret, grant_types, \
                     application_type, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";

    INSERT_INTERACTION = "INSERT INTO interactions (digest, browser, request, expires_at, spent) \
                          VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

    REBIND_INTERACTIONS = "UPDATE interactions SET browser = $2 WHERE browser = $1 AND spent = 0";

    SPEND_INTERACTION = "UPDATE interactions SET spent = 1 WHERE digest = $1 AND spent = 0";

    INSERT_GRANT = "INSERT INTO grants (id, account, client, redirect_uri, resource, scope, created_at, expires_at, \
                    last_used_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";

    TOUCH_GRANT = "UPDATE grants SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";

    REVOKE_GRANT = "UPDATE grants SET revoked_at = $2, revoked_reason = $3 WHERE id = $1 AND revoked_at IS NULL";

    INSERT_CODE = "INSERT INTO codes (digest, grant_id, client, redirect_uri, challenge, expires_at, wrong_verifiers, \
                   redeemed_at) SELECT $1, g.id, $3, $4, $5, $6, $7, $8 FROM grants g \
                   WHERE g.id = $2 AND g.revoked_at IS NULL ON CONFLICT DO NOTHING";

    REDEEM_CODE = "UPDATE codes SET redeemed_at = $2 WHERE digest = $1 AND redeemed_at IS NULL AND EXISTS \
                   (SELECT 1 FROM grants g WHERE g.id = codes.grant_id AND g.revoked_at IS NULL)";

    COUNT_WRONG_VERIFIER = "UPDATE codes SET wrong_verifiers = wrong_verifiers + 1 WHERE digest = $1";

    INSERT_REFRESH = "INSERT INTO refresh_tokens (digest, grant_id, issued_at, expires_at, rotated_at, successor, answer, \
                      replays) SELECT $1, g.id, $3, $4, $5, $6, $7, $8 FROM grants g \
                      WHERE g.id = $2 AND g.revoked_at IS NULL ON CONFLICT DO NOTHING";

    ROTATE_REFRESH = "UPDATE refresh_tokens SET rotated_at = $2, successor = $3, answer = $4 \
                      WHERE digest = $1 AND rotated_at IS NULL AND EXISTS \
                      (SELECT 1 FROM grants g WHERE g.id = refresh_tokens.grant_id AND g.revoked_at IS NULL)";

    COUNT_REPLAY = "UPDATE refresh_tokens SET replays = replays + 1 \
                    WHERE digest = $1 AND rotated_at IS NOT NULL AND replays = $2 AND EXISTS \
                    (SELECT 1 FROM grants g WHERE g.id = refresh_tokens.grant_id AND g.revoked_at IS NULL) AND NOT EXISTS \
                    (SELECT 1 FROM refresh_tokens s WHERE s.digest = refresh_tokens.successor AND s.rotated_at IS NOT NULL)";

    INSERT_ACCOUNT = "INSERT INTO accounts (id, name, name_key, password, administrator, disabled, created_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

    SPEND_SETUP = "UPDATE setup SET spent = 1 WHERE id = 1 AND digest = $1 AND spent = 0";

    REPLACE_SETUP = "INSERT INTO setup (id, digest, spent) VALUES (1, $1, 0) \
                     ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, spent = 0";

    INSERT_SESSION = "INSERT INTO sessions (digest, account, signed_in_at, expires_at) VALUES ($1, $2, $3, $4) \
                      ON CONFLICT DO NOTHING";

    DELETE_SESSION = "DELETE FROM sessions WHERE digest = $1";

    DELETE_SESSIONS = "DELETE FROM sessions WHERE account = $1";

    // Sweeping: $1 is the moment, $2 the most rows at once.
    SWEEP_INTERACTIONS = "DELETE FROM interactions WHERE digest IN \
                          (SELECT digest FROM interactions WHERE expires_at <= $1 LIMIT $2)";

    SWEEP_CODES = "DELETE FROM codes WHERE digest IN (SELECT digest FROM codes WHERE expires_at <= $1 LIMIT $2)";

    SWEEP_ANSWERS = "UPDATE refresh_tokens SET answer = substr(answer, 1, 0) WHERE digest IN \
                     (SELECT digest FROM refresh_tokens WHERE length(answer) > 0 AND rotated_at <= $1 LIMIT $2)";

    SWEEP_REFRESH = "DELETE FROM refresh_tokens WHERE digest IN \
                     (SELECT digest FROM refresh_tokens WHERE expires_at <= $1 LIMIT $2)";

    SWEEP_SESSIONS = "DELETE FROM sessions WHERE digest IN \
                      (SELECT digest FROM sessions WHERE expires_at <= $1 LIMIT $2)";

    SWEEP_REVOKED_GRANTS = "DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE revoked_at <= $1 LIMIT $2)";

    SWEEP_EXPIRED_GRANTS = "DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE expires_at <= $1 LIMIT $2)";
}

#[cfg(test)]
mod tests {
    use sqlx::{ConnectOptions as _, Executor as _, SqlSafeStr as _};

    #[tokio::test]
    async fn every_statement_can_be_prepared() {
        let directory = tempfile::tempdir().unwrap();
        let opened = crate::open::open(&directory.path().join("doorward.db")).await.unwrap();
        let mut connection = opened.writing.connect().await.unwrap();
        for (name, text) in super::ALL {
            if let Err(error) = connection.prepare(text.into_sql_str()).await {
                panic!("{name}: {error}");
            }
        }
        assert!(super::ALL.len() > 40);
    }
}
