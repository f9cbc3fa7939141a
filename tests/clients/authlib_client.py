"""Authlib as a client: `python authlib_client.py ISSUER RESOURCE OPTIONS`; says what the scripts in this folder say.

Authlib has no client side of RFC 7591, so the registration is a plain POST.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback has no TLS

from authlib.common.security import generate_token  # noqa: E402
from authlib.integrations.base_client.errors import OAuthError  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url  # noqa: E402

ISSUER, RESOURCE, OPTIONS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
SCOPE = "mcp:read"
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/list",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "doorward-tests", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}
HEADERS = {
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/list",
}


def say(**what):
    print(json.dumps(what), flush=True)


class Callback(BaseHTTPRequestHandler):
    """Keeps the path that the browser was led to."""

    def do_GET(self):
        self.server.path = self.path
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"You can close this window.\n")

    def log_message(self, *_):
        pass


def reach(session, token):
    """The status of one MCP call, with the header that Authlib writes."""
    session.token = token
    return session.post(RESOURCE, json=CALL, headers=HEADERS).status_code


def main():
    done = {}
    plain = OAuth2Session()
    url = get_well_known_url(ISSUER, external=True)
    server = AuthorizationServerMetadata(plain.get(url, withhold_token=True).json())
    assert server["issuer"] == ISSUER
    # Authlib's own check of a metadata document insists on https; loopback has none.
    for name in ("authorization_endpoint", "token_endpoint", "response_types_supported", "grant_types_supported"):
        assert server.get(name), name

    listener = HTTPServer(("127.0.0.1", 0), Callback)
    redirect = f"http://127.0.0.1:{listener.server_port}/callback"
    device_code = "urn:ietf:params:oauth:grant-type:device_code"
    method = "client_secret_basic" if OPTIONS.get("confidential") else "none"
    wanted = {
        "client_name": "Authlib",
        "redirect_uris": [redirect],
        "grant_types": ["authorization_code", "refresh_token"] + ([device_code] if OPTIONS.get("device") else []),
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        "application_type": "native",
    }
    answer = plain.post(server["registration_endpoint"], json=wanted, withhold_token=True)
    assert answer.status_code == 201, answer.text
    done["registered"] = answer.json()["client_id"]

    session = OAuth2Session(
        done["registered"],
        answer.json().get("client_secret"),
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope=SCOPE,
        redirect_uri=redirect,
        code_challenge_method="S256",
    )
    verifier = generate_token(48)
    address, state = session.create_authorization_url(
        server["authorization_endpoint"], code_verifier=verifier, resource=RESOURCE
    )
    say(authorize=address)
    listener.handle_request()
    back = f"http://127.0.0.1:{listener.server_port}{listener.path}"
    assert parse_qs(urlsplit(back).query)["iss"] == [ISSUER]
    first = dict(
        session.fetch_token(
            server["token_endpoint"],
            authorization_response=back,
            state=state,
            code_verifier=verifier,
            resource=RESOURCE,
        )
    )
    done["token"] = {"type": first["token_type"], "scope": first["scope"], "expires_in": first["expires_in"]}
    done["call"] = reach(session, first)

    second = dict(session.refresh_token(server["token_endpoint"], first["refresh_token"], resource=RESOURCE))
    done["refreshed"] = (
        second["refresh_token"] != first["refresh_token"] and second["access_token"] != first["access_token"]
    )
    done["refreshed_call"] = reach(session, second)

    def introspect():
        return session.introspect_token(server["introspection_endpoint"], second["access_token"]).json()

    if OPTIONS.get("confidential"):
        about = introspect()
        done["introspected"] = {name: about.get(name) for name in ("active", "scope", "client_id")}
    revoked = session.revoke_token(server["revocation_endpoint"], second["refresh_token"], "refresh_token")
    assert revoked.status_code == 200, revoked.text
    done["revoked_call"] = reach(session, second)
    if OPTIONS.get("confidential"):
        done["revoked_introspected"] = introspect()
    try:
        session.refresh_token(server["token_endpoint"], second["refresh_token"], resource=RESOURCE)
    except OAuthError as error:
        done["revoked"] = error.error

    if OPTIONS.get("device"):
        fields = {"scope": SCOPE, "resource": RESOURCE}
        address, auth = server["device_authorization_endpoint"], session.client_auth(method)
        device = session.post(address, data=fields, withhold_token=True, auth=auth).json()
        say(device=device["verification_uri"], code=device["user_code"])
        while True:
            time.sleep(device.get("interval", 5))  # RFC 8628 section 3.5 prescribes the wait
            try:
                tokens = session.fetch_token(
                    server["token_endpoint"], grant_type=device_code, device_code=device["device_code"], resource=RESOURCE
                )
                break
            except OAuthError as error:
                if error.error not in ("authorization_pending", "slow_down"):
                    raise
        done["device"] = {"type": tokens["token_type"], "call": reach(session, dict(tokens))}
    say(done=done)


if __name__ == "__main__":
    main()
