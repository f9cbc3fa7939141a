"""Authlib as a program that acts for itself: the same as robots.mjs, `python authlib_robot.py ISSUER RESOURCE OPTIONS`."""

import json
import os
import sys
import time

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback has no TLS

from authlib.integrations.base_client.errors import OAuthError  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402
from authlib.oauth2.rfc7523 import PrivateKeyJWT  # noqa: E402
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url  # noqa: E402

from joserfc.jwk import ECKey  # noqa: E402

from authlib_client import reach  # noqa: E402

ISSUER, RESOURCE, OPTIONS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
SCOPE = "mcp:read"


def say(**what):
    print(json.dumps(what), flush=True)


def new_key():
    return ECKey.generate_key("P-256", {"kid": "robot", "alg": "ES256", "use": "sig"}, private=True)


def main():
    plain = OAuth2Session().get(get_well_known_url(ISSUER, external=True), withhold_token=True)
    server = AuthorizationServerMetadata(plain.json())
    key, thief = new_key(), new_key()
    say(jwks={"keys": [key.as_dict(private=False)]})
    client = json.loads(sys.stdin.readline())

    def session(stolen):
        if not OPTIONS.get("key"):
            secret = client["client_secret"] + ("x" if stolen else "")
            return OAuth2Session(client["client_id"], secret, token_endpoint_auth_method="client_secret_basic")
        made = OAuth2Session(client["client_id"], thief if stolen else key, token_endpoint_auth_method="private_key_jwt")
        # The audience is the issuer and nothing else, as the newest rules have it, and an assertion is good for minutes;
        # Authlib's own defaults are the token endpoint and an hour.
        claims = {"exp": int(time.time()) + 60}
        made.register_client_auth_method(PrivateKeyJWT(ISSUER, claims, headers={"kid": "robot"}, alg="ES256"))
        return made

    def ask(stolen=False, scope=SCOPE, resource=RESOURCE):
        one = session(stolen)
        token = one.fetch_token(server["token_endpoint"], grant_type="client_credentials", scope=scope, resource=resource)
        return one, dict(token)

    def refused(**wanted):
        try:
            ask(**wanted)
        except OAuthError as error:
            return error.error

    one, token = ask()
    done = {
        "token": {
            "type": token["token_type"].lower(),
            "scope": token["scope"],
            "expires_in": token["expires_in"],
            "refresh": "refresh_token" in token,
        },
        "call": reach(one, token),
        "stolen": refused(stolen=True),
        "more": refused(scope="mcp:read mcp:danger"),
        "elsewhere": refused(resource="https://other.example/mcp"),
    }
    say(done=done)


main()
