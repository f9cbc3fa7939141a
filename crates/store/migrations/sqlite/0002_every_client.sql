-- Runs with foreign keys off, so that a table can be made anew without taking along what points to it.

CREATE TABLE clients_new (
    id                TEXT    NOT NULL PRIMARY KEY,
    origin            TEXT    NOT NULL CHECK (origin IN ('dynamic', 'administrator', 'document')),
    name              TEXT,
    redirect_uris     TEXT    NOT NULL, -- JSON array of texts
    auth_method       TEXT    NOT NULL
        CHECK (auth_method IN ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
    secret            BLOB
        CHECK ((auth_method IN ('client_secret_basic', 'client_secret_post')) = (secret IS NOT NULL)),
    jwks              TEXT, -- a JWK set, as JSON
    jwks_uri          TEXT
        CHECK ((auth_method = 'private_key_jwt') = ((jwks IS NULL) <> (jwks_uri IS NULL))),
    grant_types       TEXT    NOT NULL, -- JSON array of texts
    application_type  TEXT,
    scope             TEXT,
    client_uri        TEXT,
    software_id       TEXT,
    dpop_bound        INTEGER NOT NULL CHECK (dpop_bound IN (0, 1)),
    pushed_only       INTEGER NOT NULL CHECK (pushed_only IN (0, 1)),
    protects          TEXT,
    management        BLOB,
    fingerprint       BLOB,
    created_at        INTEGER NOT NULL,
    last_used_at      INTEGER,
    expires_at        INTEGER,
    fresh_until       INTEGER
) STRICT;
INSERT INTO clients_new (id, origin, name, redirect_uris, auth_method, secret, grant_types, application_type, dpop_bound,
                         pushed_only, created_at)
    SELECT id, origin, name, redirect_uris, auth_method, secret, grant_types, application_type, 0, 0, created_at
    FROM clients;
DROP TABLE clients;
ALTER TABLE clients_new RENAME TO clients;
CREATE INDEX clients_by_age ON clients (created_at, id);
CREATE INDEX clients_by_fingerprint ON clients (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX clients_by_expiry ON clients (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX clients_that_are_strangers ON clients (origin) WHERE origin <> 'administrator';

ALTER TABLE accounts ADD COLUMN external_issuer TEXT;
ALTER TABLE accounts ADD COLUMN external_subject TEXT CHECK ((external_issuer IS NULL) = (external_subject IS NULL));
CREATE UNIQUE INDEX accounts_by_identity ON accounts (external_issuer, external_subject)
    WHERE external_issuer IS NOT NULL;

-- A grant outlives its client and its account, so that a token of it is refused for the right reason.
CREATE TABLE grants_new (
    id              TEXT    NOT NULL PRIMARY KEY,
    account         TEXT,
    client          TEXT    NOT NULL,
    kind            TEXT    NOT NULL
        CHECK (kind IN ('authorization_code', 'device_code', 'client_credentials', 'jwt_bearer')),
    redirect_uri    TEXT,
    resource        TEXT    NOT NULL,
    scope           TEXT    NOT NULL,
    refreshes       INTEGER NOT NULL CHECK (refreshes IN (0, 1)),
    dpop            TEXT, -- RFC 7638 thumbprint
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    last_used_at    INTEGER,
    revoked_at      INTEGER,
    revoked_reason  TEXT
) STRICT;
INSERT INTO grants_new (id, account, client, kind, redirect_uri, resource, scope, refreshes, created_at, expires_at,
                        last_used_at, revoked_at, revoked_reason)
    SELECT id, account, client, 'authorization_code', redirect_uri, resource, scope,
           EXISTS (SELECT 1 FROM clients c WHERE c.id = grants.client AND c.grant_types LIKE '%"refresh_token"%'),
           created_at, expires_at, last_used_at, revoked_at, revoked_reason
    FROM grants;
DROP TABLE grants;
ALTER TABLE grants_new RENAME TO grants;
CREATE INDEX grants_by_account ON grants (account, created_at) WHERE revoked_at IS NULL;
CREATE INDEX grants_by_client ON grants (client) WHERE revoked_at IS NULL;
CREATE INDEX grants_by_revocation ON grants (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX grants_by_expiry ON grants (expires_at) WHERE expires_at IS NOT NULL;

ALTER TABLE codes ADD COLUMN dpop TEXT;

CREATE TABLE pushed_requests (
    digest      BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    client      TEXT    NOT NULL,
    form        BLOB    NOT NULL, -- sealed
    expires_at  INTEGER NOT NULL,
    spent       INTEGER NOT NULL CHECK (spent IN (0, 1))
) STRICT;
CREATE INDEX pushed_requests_by_expiry ON pushed_requests (expires_at);

CREATE TABLE devices (
    digest         BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    user_code      BLOB    NOT NULL UNIQUE CHECK (length(user_code) = 32),
    client         TEXT    NOT NULL,
    resource       TEXT    NOT NULL,
    scope          TEXT    NOT NULL,
    asked_from     TEXT    NOT NULL,
    requested_at   INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    poll_interval  INTEGER NOT NULL, -- seconds
    polled_at      INTEGER,
    answer         TEXT    NOT NULL CHECK (answer IN ('none', 'denied', 'allowed')),
    grant_id       TEXT             CHECK ((answer = 'allowed') = (grant_id IS NOT NULL)),
    redeemed_at    INTEGER
) STRICT;
CREATE INDEX devices_by_expiry ON devices (expires_at);
CREATE INDEX devices_by_grant ON devices (grant_id) WHERE grant_id IS NOT NULL;

CREATE TABLE used_once (
    digest      BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_once_by_expiry ON used_once (expires_at);

CREATE TABLE keys (
    kid          TEXT    NOT NULL PRIMARY KEY,
    sealed       BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    active_from  INTEGER NOT NULL
) STRICT;

-- The record: each digest covers its own row and all before it.
CREATE TABLE audit (
    number    INTEGER NOT NULL PRIMARY KEY,
    at        INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    account   TEXT,
    client    TEXT,
    grant_id  TEXT,
    resource  TEXT,
    detail    TEXT    NOT NULL,
    digest    BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

-- Where the record ends, so that rows missing at its end show: one row.
CREATE TABLE audit_head (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    number  INTEGER NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;
INSERT INTO audit_head (id, number, digest) VALUES (1, 0, zeroblob(32));
