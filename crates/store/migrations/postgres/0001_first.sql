-- Digests are SHA-256 of a secret; what is "sealed" opens only with a secret that is not stored.
-- Moments are whole seconds since 1970-01-01T00:00:00Z; truth values are 0 and 1, as on SQLite.
-- Texts compare byte by byte, whatever the database's own collation is.

CREATE TABLE clients (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    origin            TEXT COLLATE "C" NOT NULL CHECK (origin IN ('dynamic', 'administrator', 'document')),
    name              TEXT COLLATE "C",
    redirect_uris     TEXT COLLATE "C" NOT NULL, -- JSON array of texts
    auth_method       TEXT COLLATE "C" NOT NULL
        CHECK (auth_method IN ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
    secret            BYTEA
        CHECK ((auth_method IN ('client_secret_basic', 'client_secret_post')) = (secret IS NOT NULL)),
    jwks              TEXT COLLATE "C", -- a JWK set, as JSON
    jwks_uri          TEXT COLLATE "C",
    grant_types       TEXT COLLATE "C" NOT NULL, -- JSON array of texts
    application_type  TEXT COLLATE "C",
    scope             TEXT COLLATE "C",
    client_uri        TEXT COLLATE "C",
    software_id       TEXT COLLATE "C",
    dpop_bound        BIGINT NOT NULL CHECK (dpop_bound IN (0, 1)),
    pushed_only       BIGINT NOT NULL CHECK (pushed_only IN (0, 1)),
    protects          TEXT COLLATE "C",
    management        BYTEA,
    fingerprint       BYTEA,
    created_at        BIGINT NOT NULL,
    last_used_at      BIGINT,
    expires_at        BIGINT,
    fresh_until       BIGINT,
    CHECK ((auth_method = 'private_key_jwt') = ((jwks IS NULL) <> (jwks_uri IS NULL)))
);
CREATE INDEX clients_by_age ON clients (created_at, id);
CREATE INDEX clients_by_fingerprint ON clients (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX clients_by_expiry ON clients (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX clients_that_are_strangers ON clients (origin) WHERE origin <> 'administrator';

CREATE TABLE accounts (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name              TEXT COLLATE "C" NOT NULL,
    name_key          TEXT COLLATE "C" NOT NULL UNIQUE, -- the name in ASCII lower case
    password          TEXT COLLATE "C",
    administrator     BIGINT NOT NULL CHECK (administrator IN (0, 1)),
    disabled          BIGINT NOT NULL CHECK (disabled IN (0, 1)),
    external_issuer   TEXT COLLATE "C",
    external_subject  TEXT COLLATE "C",
    created_at        BIGINT NOT NULL,
    CHECK ((external_issuer IS NULL) = (external_subject IS NULL))
);
CREATE UNIQUE INDEX accounts_by_identity ON accounts (external_issuer, external_subject)
    WHERE external_issuer IS NOT NULL;

CREATE TABLE sessions (
    digest        BYTEA  NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    account       TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    signed_in_at  BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE interactions (
    digest      BYTEA  NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    browser     BYTEA  NOT NULL CHECK (length(browser) = 32),
    request     BYTEA  NOT NULL, -- sealed
    expires_at  BIGINT NOT NULL,
    spent       BIGINT NOT NULL CHECK (spent IN (0, 1))
);
CREATE INDEX interactions_by_expiry ON interactions (expires_at);
CREATE INDEX interactions_by_browser ON interactions (browser);

-- A grant outlives its client and its account, so that a token of it is refused for the right reason.
CREATE TABLE grants (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account         TEXT COLLATE "C",
    client          TEXT COLLATE "C" NOT NULL,
    kind            TEXT COLLATE "C" NOT NULL
        CHECK (kind IN ('authorization_code', 'device_code', 'client_credentials', 'jwt_bearer')),
    redirect_uri    TEXT COLLATE "C",
    resource        TEXT COLLATE "C" NOT NULL,
    scope           TEXT COLLATE "C" NOT NULL,
    refreshes       BIGINT NOT NULL CHECK (refreshes IN (0, 1)),
    dpop            TEXT COLLATE "C", -- RFC 7638 thumbprint
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT,
    last_used_at    BIGINT,
    revoked_at      BIGINT,
    revoked_reason  TEXT COLLATE "C",
    revoked_by      BIGINT -- the transaction that revoked it
);
CREATE INDEX grants_by_account ON grants (account, created_at) WHERE revoked_at IS NULL;
CREATE INDEX grants_by_client ON grants (client) WHERE revoked_at IS NULL;
CREATE INDEX grants_by_revocation ON grants (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX grants_by_revoking ON grants (revoked_by) WHERE revoked_by IS NOT NULL;
CREATE INDEX grants_by_expiry ON grants (expires_at) WHERE expires_at IS NOT NULL;

-- Whoever revokes tells the other nodes, in the same transaction. Transactions are numbered by one clock, the database's;
-- with their numbers a node finds all it has not seen, whatever the clocks of the other nodes say.
CREATE FUNCTION grant_was_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revoked_by := pg_current_xact_id()::text::bigint;
    PERFORM pg_notify('doorward_revoked', '');
    RETURN NEW;
END
$$;
CREATE TRIGGER grant_was_revoked BEFORE UPDATE OF revoked_at ON grants
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION grant_was_revoked();

CREATE TABLE codes (
    digest           BYTEA  NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    grant_id         TEXT COLLATE "C" NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    client           TEXT COLLATE "C" NOT NULL,
    redirect_uri     TEXT COLLATE "C" NOT NULL,
    challenge        TEXT COLLATE "C" NOT NULL,
    dpop             TEXT COLLATE "C",
    expires_at       BIGINT NOT NULL,
    wrong_verifiers  BIGINT NOT NULL,
    redeemed_at      BIGINT
);
CREATE INDEX codes_by_grant ON codes (grant_id);
CREATE INDEX codes_by_expiry ON codes (expires_at);

CREATE TABLE refresh_tokens (
    digest      BYTEA  NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    grant_id    TEXT COLLATE "C" NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    rotated_at  BIGINT,
    successor   BYTEA           CHECK ((rotated_at IS NULL) = (successor IS NULL)),
    answer      BYTEA           CHECK ((rotated_at IS NULL) = (answer IS NULL)), -- sealed; emptied after the grace
    replays     BIGINT NOT NULL
);
-- A family has at most one live head.
CREATE UNIQUE INDEX refresh_tokens_live_head ON refresh_tokens (grant_id) WHERE rotated_at IS NULL;
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (grant_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_with_answer ON refresh_tokens (rotated_at) WHERE length(answer) > 0;

CREATE TABLE pushed_requests (
    digest      BYTEA  NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    client      TEXT COLLATE "C" NOT NULL,
    form        BYTEA  NOT NULL, -- sealed
    expires_at  BIGINT NOT NULL,
    spent       BIGINT NOT NULL CHECK (spent IN (0, 1))
);
CREATE INDEX pushed_requests_by_expiry ON pushed_requests (expires_at);

CREATE TABLE devices (
    digest         BYTEA  NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    user_code      BYTEA  NOT NULL UNIQUE CHECK (length(user_code) = 32),
    client         TEXT COLLATE "C" NOT NULL,
    resource       TEXT COLLATE "C" NOT NULL,
    scope          TEXT COLLATE "C" NOT NULL,
    asked_from     TEXT COLLATE "C" NOT NULL,
    requested_at   BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    poll_interval  BIGINT NOT NULL, -- seconds
    polled_at      BIGINT,
    answer         TEXT COLLATE "C" NOT NULL CHECK (answer IN ('none', 'denied', 'allowed')),
    grant_id       TEXT COLLATE "C",
    redeemed_at    BIGINT,
    CHECK ((answer = 'allowed') = (grant_id IS NOT NULL))
);
CREATE INDEX devices_by_expiry ON devices (expires_at);
CREATE INDEX devices_by_grant ON devices (grant_id) WHERE grant_id IS NOT NULL;

CREATE TABLE used_once (
    digest      BYTEA  NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    expires_at  BIGINT NOT NULL
);
CREATE INDEX used_once_by_expiry ON used_once (expires_at);

CREATE TABLE keys (
    kid          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed       BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    active_from  BIGINT NOT NULL
);

-- The one-time value that makes the first account: one row at the most.
CREATE TABLE setup (
    id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    digest  BYTEA  NOT NULL CHECK (length(digest) = 32),
    spent   BIGINT NOT NULL CHECK (spent IN (0, 1))
);

-- The record: each digest covers its own row and all before it.
CREATE TABLE audit (
    number    BIGINT NOT NULL PRIMARY KEY,
    at        BIGINT NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    account   TEXT COLLATE "C",
    client    TEXT COLLATE "C",
    grant_id  TEXT COLLATE "C",
    resource  TEXT COLLATE "C",
    detail    TEXT COLLATE "C" NOT NULL,
    digest    BYTEA  NOT NULL CHECK (length(digest) = 32)
);

-- Where the record ends, so that rows missing at its end show: one row, locked by whoever appends.
CREATE TABLE audit_head (
    id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number  BIGINT NOT NULL,
    digest  BYTEA  NOT NULL CHECK (length(digest) = 32)
);
INSERT INTO audit_head (id, number, digest) VALUES (1, 0, decode(repeat('00', 32), 'hex'));
