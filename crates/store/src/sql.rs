//! Every SQL statement, once. The texts use what SQLite and PostgreSQL have in common (`$1` placeholders,
//! `ON CONFLICT`, partial indexes, truth values as 0 and 1), so that both engines can run them.

macro_rules! grant_columns {
    () => {
        "g.id AS g_id, g.account AS g_account, g.client AS g_client, g.redirect_uri AS g_redirect_uri, \
         g.kind AS g_kind, g.resource AS g_resource, g.scope AS g_scope, g.refreshes AS g_refreshes, g.dpop AS g_dpop, g.created_at AS g_created_at, \
         g.expires_at AS g_expires_at, g.last_used_at AS g_last_used_at, g.revoked_at AS g_revoked_at"
    };
}

macro_rules! account_columns {
    () => {
        "a.id AS a_id, a.name AS a_name, a.password AS a_password, a.administrator AS a_administrator, \
         a.disabled AS a_disabled, a.external_issuer AS a_external_issuer, a.external_subject AS a_external_subject, \
         a.created_at AS a_created_at"
    };
}

macro_rules! client_columns {
    () => {
        "c.id AS c_id, c.origin AS c_origin, c.name AS c_name, c.redirect_uris AS c_redirect_uris, \
         c.auth_method AS c_auth_method, c.secret AS c_secret, c.jwks AS c_jwks, c.jwks_uri AS c_jwks_uri, \
         c.grant_types AS c_grant_types, c.application_type AS c_application_type, c.scope AS c_scope, \
         c.client_uri AS c_client_uri, c.software_id AS c_software_id, c.dpop_bound AS c_dpop_bound, \
         c.pushed_only AS c_pushed_only, c.protects AS c_protects, c.exchanges_for AS c_exchanges_for, \
         c.management AS c_management, \
         c.fingerprint AS c_fingerprint, c.created_at AS c_created_at, c.last_used_at AS c_last_used_at, \
         c.expires_at AS c_expires_at, c.fresh_until AS c_fresh_until"
    };
}

macro_rules! device_facts {
    () => {
        concat!(
            "SELECT d.digest AS d_digest, d.user_code AS d_user_code, d.client AS d_client, d.resource AS d_resource, \
             d.scope AS d_scope, d.asked_from AS d_asked_from, d.requested_at AS d_requested_at, d.expires_at AS d_expires_at, \
             d.poll_interval AS d_poll_interval, d.polled_at AS d_polled_at, d.answer AS d_answer, \
             d.grant_id AS d_grant_id, d.redeemed_at AS d_redeemed_at, ",
            grant_columns!(),
            ", ",
            account_columns!(),
            " FROM devices d LEFT JOIN grants g ON g.id = d.grant_id LEFT JOIN accounts a ON a.id = g.account"
        )
    };
}

macro_rules! statements {
    ($all:ident: $($(#[$doc:meta])* $name:ident = $($text:expr),+;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = concat!($($text),+);)*
        /// All of them by name, for the test that prepares each.
        #[cfg(test)]
        pub(crate) const $all: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

// Of SQLite alone.
statements! { SQLITE:
    /// A write transaction, taken at once: a transaction that read first could not be made one later.
    BEGIN = "BEGIN IMMEDIATE";
    /// Each request of a group can be undone alone.
    SAVEPOINT = "SAVEPOINT request";
    UNDO = "ROLLBACK TO SAVEPOINT request";
    RELEASE = "RELEASE SAVEPOINT request";

    /// Another number than before says that another connection wrote.
    DATA_VERSION = "PRAGMA data_version";
}

// Of PostgreSQL alone.
statements! { POSTGRES:
    ROLLBACK = "ROLLBACK";

    /// What became of a transaction of this name.
    TRANSACTION_STATUS = "SELECT pg_xact_status($1::xid8)";

    /// Nobody else may append to the record until the transaction is over.
    RECORD_HEAD_ALONE = "SELECT number, digest FROM audit_head WHERE id = 1 FOR UPDATE";

    /// Nobody else may make a key until the transaction is over.
    KEYS_ALONE = "LOCK TABLE keys IN SHARE ROW EXCLUSIVE MODE";

    SWEEP_ALONE = "SELECT pg_try_advisory_xact_lock(7237125482216563044)";

    /// One row at least, for the horizon: every transaction below it is over.
    REVOKED_SINCE = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, g.id, g.revoked_at \
                     FROM (SELECT 1) AS one LEFT JOIN grants g ON g.revoked_by >= $1";

    /// Nothing waits for ever, and what was acknowledged is on the disk.
    SETTINGS = "SELECT set_config('statement_timeout', '5000', false), set_config('lock_timeout', '4000', false), \
                set_config('idle_in_transaction_session_timeout', '10000', false), \
                set_config('default_transaction_isolation', 'read committed', false), set_config('synchronous_commit', \
                CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'on' \
                ELSE current_setting('synchronous_commit') END, false)";

    ABOUT_SERVER = "SELECT current_setting('server_version_num')::int AS version, \
                    current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS replica";
}

/// Begins a transaction and names it, in one message.
pub(crate) const BEGIN_NAMED: &str = "BEGIN; SELECT pg_current_xact_id()::text";

// Of both.
statements! { BOTH:
    COMMIT = "COMMIT";

    CLIENT = "SELECT ", client_columns!(), " FROM clients c WHERE c.id = $1";

    CLIENT_LIKE = "SELECT ", client_columns!(), " FROM clients c WHERE c.fingerprint = $1 \
                   AND (c.expires_at IS NULL OR c.expires_at > $2) ORDER BY c.created_at DESC, c.id LIMIT 1";

    CLIENTS = "SELECT ", client_columns!(), " FROM clients c ORDER BY c.created_at, c.id LIMIT $1";

    CLIENTS_AFTER = "SELECT ", client_columns!(), " FROM clients c WHERE (c.created_at, c.id) > ($1, $2) \
                     ORDER BY c.created_at, c.id LIMIT $3";

    EXCHANGERS = "SELECT ", client_columns!(), " FROM clients c WHERE c.exchanges_for IS NOT NULL ORDER BY c.id";

    COUNT_STRANGERS = "SELECT count(*) AS count FROM clients WHERE origin <> 'administrator'";

    // Not further than to the limit, which is all that a decision needs.
    COUNT_INTERACTIONS = "SELECT count(*) AS count FROM (SELECT 1 FROM interactions LIMIT $1) AS counted";

    COUNT_PUSHED_REQUESTS = "SELECT count(*) AS count FROM (SELECT 1 FROM pushed_requests LIMIT $1) AS counted";

    COUNT_DEVICES = "SELECT count(*) AS count FROM (SELECT 1 FROM devices LIMIT $1) AS counted";

    PUSHED_REQUEST = "SELECT digest, client, form, expires_at, spent FROM pushed_requests WHERE digest = $1";

    DEVICE = device_facts!(), " WHERE d.digest = $1";

    DEVICE_BY_USER_CODE = device_facts!(), " WHERE d.user_code = $1";

    IS_USED = "SELECT digest FROM used_once WHERE digest = $1";

    KEYS = "SELECT kid, sealed, created_at, active_from FROM keys ORDER BY created_at, kid";

    RECORDED = "SELECT number, at, kind, account, client, grant_id, resource, detail, digest FROM audit \
                WHERE number > $1 ORDER BY number LIMIT $2";

    RECORD_HEAD = "SELECT number, digest FROM audit_head WHERE id = 1";

    INTERACTION = "SELECT digest, browser, request, expires_at, spent FROM interactions WHERE digest = $1";

    CODE = "SELECT k.digest AS k_digest, k.grant_id AS k_grant_id, k.client AS k_client, \
            k.redirect_uri AS k_redirect_uri, k.challenge AS k_challenge, k.expires_at AS k_expires_at, \
            k.dpop AS k_dpop, k.wrong_verifiers AS k_wrong_verifiers, k.redeemed_at AS k_redeemed_at, ",
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

    ACCOUNT_BY_IDENTITY = "SELECT ", account_columns!(),
        " FROM accounts a WHERE a.external_issuer = $1 AND a.external_subject = $2";

    SESSION = "SELECT s.digest AS s_digest, s.account AS s_account, s.signed_in_at AS s_signed_in_at, \
               s.expires_at AS s_expires_at, ", account_columns!(),
        " FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.digest = $1";

    HAS_ACCOUNTS = "SELECT id FROM accounts WHERE external_issuer IS NULL LIMIT 1";

    SETUP = "SELECT digest FROM setup WHERE id = 1 AND spent = 0";

    REVOKED_GRANTS = "SELECT id, revoked_at FROM grants WHERE revoked_at IS NOT NULL";

    INSERT_CLIENT = "INSERT INTO clients (id, origin, name, redirect_uris, auth_method, secret, jwks, jwks_uri, \
                     grant_types, application_type, scope, client_uri, software_id, dpop_bound, pushed_only, \
                     protects, exchanges_for, management, fingerprint, created_at, last_used_at, expires_at, \
                     fresh_until) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
                     $20, $21, $22, $23) \
                     ON CONFLICT DO NOTHING";

    REPLACE_CLIENT = "UPDATE clients SET origin = $2, name = $3, redirect_uris = $4, auth_method = $5, secret = $6, \
                      jwks = $7, jwks_uri = $8, grant_types = $9, application_type = $10, scope = $11, \
                      client_uri = $12, software_id = $13, dpop_bound = $14, pushed_only = $15, protects = $16, \
                      exchanges_for = $17, management = $18, fingerprint = $19, created_at = $20, last_used_at = $21, \
                      expires_at = $22, fresh_until = $23 \
                      WHERE id = $1 AND origin IS NOT DISTINCT FROM $24 AND name IS NOT DISTINCT FROM $25 AND \
                      redirect_uris IS NOT DISTINCT FROM $26 AND auth_method IS NOT DISTINCT FROM $27 AND \
                      secret IS NOT DISTINCT FROM $28 AND jwks IS NOT DISTINCT FROM $29 AND \
                      jwks_uri IS NOT DISTINCT FROM $30 AND grant_types IS NOT DISTINCT FROM $31 AND \
                      application_type IS NOT DISTINCT FROM $32 AND scope IS NOT DISTINCT FROM $33 AND \
                      client_uri IS NOT DISTINCT FROM $34 AND software_id IS NOT DISTINCT FROM $35 AND \
                      dpop_bound IS NOT DISTINCT FROM $36 AND pushed_only IS NOT DISTINCT FROM $37 AND \
                      protects IS NOT DISTINCT FROM $38 AND exchanges_for IS NOT DISTINCT FROM $39 AND \
                      management IS NOT DISTINCT FROM $40 AND fingerprint IS NOT DISTINCT FROM $41 AND \
                      created_at IS NOT DISTINCT FROM $42 AND last_used_at IS NOT DISTINCT FROM $43 AND \
                      expires_at IS NOT DISTINCT FROM $44 AND fresh_until IS NOT DISTINCT FROM $45";

    TOUCH_CLIENT = "UPDATE clients SET last_used_at = CASE WHEN last_used_at >= $2 THEN last_used_at ELSE $2 END, \
                    expires_at = CASE WHEN expires_at < $3 THEN $3 ELSE expires_at END WHERE id = $1";

    DELETE_CLIENT = "DELETE FROM clients WHERE id = $1";

    // Changes nothing, and keeps others from changing the row until the transaction is over.
    HOLD_CLIENT = "UPDATE clients SET origin = origin WHERE id = $1";

    HOLD_ACCOUNT = "UPDATE accounts SET disabled = disabled WHERE id = $1 AND disabled = 0";

    REVOKE_GRANTS_OF_CLIENT = "UPDATE grants SET revoked_at = $2, revoked_reason = $3 \
                               WHERE client = $1 AND revoked_at IS NULL RETURNING id";

    INSERT_PUSHED_REQUEST = "INSERT INTO pushed_requests (digest, client, form, expires_at, spent) \
                             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

    SPEND_PUSHED_REQUEST = "UPDATE pushed_requests SET spent = 1 WHERE digest = $1 AND spent = 0";

    INSERT_DEVICE = "INSERT INTO devices (digest, user_code, client, resource, scope, asked_from, requested_at, expires_at, poll_interval, \
                     polled_at, answer, grant_id, redeemed_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING";

    ANSWER_DEVICE = "UPDATE devices SET answer = $2, grant_id = $3 WHERE digest = $1 AND answer = 'none'";

    POLL_DEVICE = "UPDATE devices SET polled_at = $3, poll_interval = $4 \
                   WHERE digest = $1 AND polled_at IS NOT DISTINCT FROM $2";

    REDEEM_DEVICE = "UPDATE devices SET redeemed_at = $2 WHERE digest = $1 AND redeemed_at IS NULL AND grant_id = $3 \
                     AND EXISTS (SELECT 1 FROM grants g WHERE g.id = devices.grant_id AND g.revoked_at IS NULL)";

    USE_ONCE = "INSERT INTO used_once (digest, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";

    INSERT_KEY = "INSERT INTO keys (kid, sealed, created_at, active_from) SELECT $1, $2, $3, $4 \
                  WHERE (SELECT count(*) FROM keys) = $5 ON CONFLICT DO NOTHING";

    DELETE_KEY = "DELETE FROM keys WHERE kid = $1";

    INSERT_AUDIT = "INSERT INTO audit (number, at, kind, account, client, grant_id, resource, detail, digest) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

    MOVE_RECORD_HEAD = "UPDATE audit_head SET number = $1, digest = $2 WHERE id = 1";

    INSERT_INTERACTION = "INSERT INTO interactions (digest, browser, request, expires_at, spent) \
                          VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

    REBIND_INTERACTIONS = "UPDATE interactions SET browser = $2 WHERE browser = $1 AND spent = 0";

    SPEND_INTERACTION = "UPDATE interactions SET spent = 1 WHERE digest = $1 AND spent = 0";

    INSERT_GRANT = "INSERT INTO grants (id, account, client, kind, redirect_uri, resource, scope, refreshes, dpop, \
                    created_at, expires_at, last_used_at, revoked_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
                    ON CONFLICT DO NOTHING";

    BIND_GRANT = "UPDATE grants SET dpop = $2 WHERE id = $1 AND (dpop IS NULL OR dpop = $2)";

    TOUCH_GRANT = "UPDATE grants SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";

    REVOKE_GRANT = "UPDATE grants SET revoked_at = $2, revoked_reason = $3 WHERE id = $1 AND revoked_at IS NULL \
                    RETURNING id";

    INSERT_CODE = "INSERT INTO codes (digest, grant_id, client, redirect_uri, challenge, dpop, expires_at, \
                   wrong_verifiers, redeemed_at) SELECT $1, g.id, $3, $4, $5, $6, $7, $8, $9 FROM grants g \
                   WHERE g.id = $2 AND g.revoked_at IS NULL ON CONFLICT DO NOTHING";

    REDEEM_CODE = "UPDATE codes SET redeemed_at = $2 WHERE digest = $1 AND grant_id = $3 AND redeemed_at IS NULL \
                   AND EXISTS (SELECT 1 FROM grants g WHERE g.id = codes.grant_id AND g.revoked_at IS NULL)";

    COUNT_WRONG_VERIFIER = "UPDATE codes SET wrong_verifiers = wrong_verifiers + 1 WHERE digest = $1";

    INSERT_REFRESH = "INSERT INTO refresh_tokens (digest, grant_id, issued_at, expires_at, rotated_at, successor, answer, \
                      replays) SELECT $1, g.id, $3, $4, $5, $6, $7, $8 FROM grants g \
                      WHERE g.id = $2 AND g.revoked_at IS NULL ON CONFLICT DO NOTHING";

    ROTATE_REFRESH = "UPDATE refresh_tokens SET rotated_at = $2, successor = $3, answer = $4 \
                      WHERE digest = $1 AND grant_id = $5 AND rotated_at IS NULL AND EXISTS \
                      (SELECT 1 FROM grants g WHERE g.id = refresh_tokens.grant_id AND g.revoked_at IS NULL)";

    COUNT_REPLAY = "UPDATE refresh_tokens SET replays = replays + 1 \
                    WHERE digest = $1 AND rotated_at IS NOT NULL AND replays = $2 AND EXISTS \
                    (SELECT 1 FROM grants g WHERE g.id = refresh_tokens.grant_id AND g.revoked_at IS NULL) AND NOT EXISTS \
                    (SELECT 1 FROM refresh_tokens s WHERE s.digest = refresh_tokens.successor AND s.rotated_at IS NOT NULL)";

    INSERT_ACCOUNT = "INSERT INTO accounts (id, name_key, name, password, administrator, disabled, external_issuer, \
                      external_subject, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";

    DISABLE_ACCOUNT = "UPDATE accounts SET disabled = 1 WHERE id = $1 AND disabled = 0";

    ENABLE_ACCOUNT = "UPDATE accounts SET disabled = 0 WHERE id = $1 AND disabled = 1";

    REVOKE_GRANTS_OF_ACCOUNT = "UPDATE grants SET revoked_at = $2, revoked_reason = $3 \
                                WHERE account = $1 AND revoked_at IS NULL RETURNING id";

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

    SWEEP_PUSHED_REQUESTS = "DELETE FROM pushed_requests WHERE digest IN \
                             (SELECT digest FROM pushed_requests WHERE expires_at <= $1 LIMIT $2)";

    SWEEP_DEVICES = "DELETE FROM devices WHERE digest IN \
                     (SELECT digest FROM devices WHERE expires_at <= $1 LIMIT $2)";

    SWEEP_USED_ONCE = "DELETE FROM used_once WHERE digest IN \
                       (SELECT digest FROM used_once WHERE expires_at <= $1 LIMIT $2)";

    EXPIRED_CLIENTS = "SELECT id FROM clients WHERE expires_at <= $1 LIMIT $2";

    DELETE_EXPIRED_CLIENT = "DELETE FROM clients WHERE id = $1 AND expires_at <= $2";

    SWEEP_CODES = "DELETE FROM codes WHERE digest IN (SELECT digest FROM codes WHERE expires_at <= $1 LIMIT $2)";

    SWEEP_ANSWERS = "UPDATE refresh_tokens SET answer = substr(answer, 1, 0) WHERE digest IN \
                     (SELECT digest FROM refresh_tokens WHERE length(answer) > 0 AND rotated_at <= $1 LIMIT $2)";

    SWEEP_REFRESH = "DELETE FROM refresh_tokens WHERE digest IN \
                     (SELECT digest FROM refresh_tokens WHERE expires_at <= $1 LIMIT $2)";

    SWEEP_SESSIONS = "DELETE FROM sessions WHERE digest IN \
                      (SELECT digest FROM sessions WHERE expires_at <= $1 LIMIT $2)";

    SWEEP_REVOKED_GRANTS = "DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE revoked_at <= $1 LIMIT $2)";

    SWEEP_EXPIRED_GRANTS = "DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE expires_at <= $1 LIMIT $2)";

    GRANTS_PAGE = "SELECT id FROM grants WHERE id > $1 ORDER BY id LIMIT $2";

    // Of a page from $2 to $3: no code, token or device leads to it any more, and the last access token is over.
    SWEEP_UNUSABLE_GRANTS = "DELETE FROM grants WHERE id >= $2 AND id <= $3 AND created_at <= $1 \
                             AND (last_used_at IS NULL OR last_used_at <= $1) \
                             AND NOT EXISTS (SELECT 1 FROM codes k WHERE k.grant_id = grants.id) \
                             AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.grant_id = grants.id) \
                             AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.grant_id = grants.id)";
}

#[cfg(test)]
mod tests {
    use doorward_testkit::postgres::Postgres;
    use sqlx::{ConnectOptions as _, Executor as _, PgConnection, SqlSafeStr as _, SqliteConnection};

    use super::{BOTH, POSTGRES, SQLITE};

    #[tokio::test]
    async fn every_statement_can_be_prepared_on_sqlite() {
        let directory = tempfile::tempdir().unwrap();
        let opened = crate::open::open(&directory.path().join("doorward.db")).await.unwrap();
        let mut connection: SqliteConnection = opened.writing.connect().await.unwrap();
        for (name, text) in BOTH.iter().chain(SQLITE) {
            if let Err(error) = connection.prepare(text.into_sql_str()).await {
                panic!("{name}: {error}");
            }
        }
        assert!(BOTH.len() > 70);
    }

    #[tokio::test]
    async fn every_statement_can_be_prepared_on_postgresql() {
        let database = Postgres::fresh();
        crate::PostgresStore::open(&database.url().parse().unwrap()).await.unwrap();
        let options: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
        let mut connection: PgConnection = options.connect().await.unwrap();
        for (name, text) in BOTH.iter().chain(POSTGRES) {
            if let Err(error) = connection.prepare(text.into_sql_str()).await {
                panic!("{name}: {error}");
            }
        }
    }
}
