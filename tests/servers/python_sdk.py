"""A protected MCP server of the official Python SDK with its own authorization server, or one of FastMCP with its OAuth
provider. Everybody who comes is let in. `python_sdk.py mcp|fastmcp`; it prints the MCP URL."""

import asyncio
import socket
import sys

import uvicorn
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions

SCOPES = ["user"]


def greet() -> str:
    """Greets."""
    return "hello"


def official(base: str):
    from mcp.server.auth.settings import AuthSettings
    from mcp.server.mcpserver import MCPServer

    server = MCPServer(
        name="python-sdk",
        auth_server_provider=InMemoryOAuthProvider(base_url=base),
        auth=AuthSettings(
            issuer_url=base,
            resource_server_url=f"{base}/mcp",
            required_scopes=SCOPES,
            validate_token_resource=False,
            client_registration_options=ClientRegistrationOptions(
                enabled=True, valid_scopes=SCOPES, default_scopes=SCOPES
            ),
            revocation_options=RevocationOptions(enabled=True),
        ),
    )
    server.tool()(greet)
    return server.streamable_http_app()


def fast(base: str):
    from fastmcp import FastMCP

    auth = InMemoryOAuthProvider(
        base_url=base,
        required_scopes=SCOPES,
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=SCOPES, default_scopes=SCOPES),
    )
    server = FastMCP(name="fastmcp", auth=auth)
    server.tool(greet)
    return server.http_app(path="/mcp")


async def main() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    base = f"http://localhost:{listener.getsockname()[1]}"
    app = {"mcp": official, "fastmcp": fast}[sys.argv[1]](base)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    print(f"{base}/mcp", flush=True)
    await serving


asyncio.run(main())
