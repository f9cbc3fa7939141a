-- Digests are SHA-256 of a secret; what is "sealed" opens only with a secret that is not stored.
-- Moments are whole seconds since 1970-01-01T00:00:00Z.

PRAGMA application_id = 1685545330; -- "dwar"

CREATE TABLE clients (
    id                TEXT    NOT NULL PRIMARY KEY,
    origin            TEXT    NOT NULL CHECK (origin IN ('dynamic', 'administrator')),
    name              TEXT,
    redirect_uris     TEXT    NOT NULL, -- JSON array of texts
    auth_method       TEXT    NOT NULL CHECK (auth_method IN ('none', 'client_secret_basic', 'client_secret_post')),
    secret            BLOB             CHECK ((auth_method = 'none') = (secret IS NULL)),
    grant_types       TEXT    NOT NULL, -- JSON array of texts
    application_type  TEXT,
    created_at        INTEGER NOT NULL
) STRICT;

CREATE TABLE accounts (
    id             TEXT    NOT NULL PRIMARY KEY,
    name           TEXT    NOT NULL,
    name_key       TEXT    NOT NULL UNIQUE, -- the name in ASCII lower case
    password       TEXT,
    administrator  INTEGER NOT NULL CHECK (administrator IN (0, 1)),
    disabled       INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    digest        BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    account       TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    signed_in_at  INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE interactions (
    digest      BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    browser     BLOB    NOT NULL CHECK (length(browser) = 32),
    request     BLOB    NOT NULL, -- sealed
    expires_at  INTEGER NOT NULL,
    spent       INTEGER NOT NULL CHECK (spent IN (0, 1))
) STRICT;
CREATE INDEX interactions_by_expiry ON interactions (expires_at);
CREATE INDEX interactions_by_browser ON interactions (browser);

-- A grant outlives its client and its account, so that a token of it is refused for the right reason.
CREATE TABLE grants (
    id              TEXT    NOT NULL PRIMARY KEY,
    account         TEXT    NOT NULL,
    client          TEXT    NOT NULL,
    redirect_uri    TEXT    NOT NULL,
    resource        TEXT    NOT NULL,
    scope           TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    last_used_at    INTEGER,
    revoked_at      INTEGER,
    revoked_reason  TEXT
) STRICT;
CREATE INDEX grants_by_account ON grants (account, created_at) WHERE revoked_at IS NULL;
CREATE INDEX grants_by_revocation ON grants (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX grants_by_expiry ON grants (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE codes (
    digest           BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    grant_id         TEXT    NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    client           TEXT    NOT NULL,
    redirect_uri     TEXT    NOT NULL,
    challenge        TEXT    NOT NULL,
    expires_at       INTEGER NOT NULL,
    wrong_verifiers  INTEGER NOT NULL,
    redeemed_at      INTEGER
) STRICT;
CREATE INDEX codes_by_grant ON codes (grant_id);
CREATE INDEX codes_by_expiry ON codes (expires_at);

CREATE TABLE refresh_tokens (
    digest      BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    grant_id    TEXT    NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    issued_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    rotated_at  INTEGER,
    successor   BLOB             CHECK ((rotated_at IS NULL) = (successor IS NULL)),
    answer      BLOB             CHECK ((rotated_at IS NULL) = (answer IS NULL)), -- sealed; emptied after the grace
    replays     INTEGER NOT NULL
) STRICT;
-- A family has at most one live head.
CREATE UNIQUE INDEX refresh_tokens_live_head ON refresh_tokens (grant_id) WHERE rotated_at IS NULL;
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (grant_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_with_answer ON refresh_tokens (rotated_at) WHERE length(answer) > 0;

-- The one-time value that makes the first account: one row at the most.
CREATE TABLE setup (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    spent   INTEGER NOT NULL CHECK (spent IN (0, 1))
) STRICT;
