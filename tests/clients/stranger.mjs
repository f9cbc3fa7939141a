// What the scripts of OAuth libraries share. A script is started as `node NAME.mjs ISSUER RESOURCE OPTIONS` (JSON). It writes
// one JSON object per line to stdout: {"authorize": URL} where a person is wanted, {"device": URL} where one is wanted with
// another device, then {"done": {...}} with what it got; anything that goes wrong ends it with a stack on stderr.
import { createServer } from 'node:http';

export const say = object => process.stdout.write(`${JSON.stringify(object)}\n`);

export const issuer = new URL(process.argv[2]);
export const resource = process.argv[3];
export const options = JSON.parse(process.argv[4] ?? '{}');

/** A native app's listener on a free port; `answer` is the address that the browser was led to. */
export async function listener() {
    let arrived;
    const answer = new Promise(resolve => (arrived = resolve));
    const server = createServer((request, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' }).end('You can close this window.\n');
        arrived(new URL(request.url, `http://127.0.0.1:${server.address().port}`));
    });
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${server.address().port}/callback`;
    return { url, answer, close: () => server.close() };
}

/** What the app says of itself when it registers. */
export const registration = redirect => ({
    client_name: 'A foreign library',
    redirect_uris: [redirect],
    grant_types: [
        'authorization_code',
        'refresh_token',
        ...(options.device ? ['urn:ietf:params:oauth:grant-type:device_code'] : []),
    ],
    response_types: ['code'],
    token_endpoint_auth_method: options.confidential ? 'client_secret_basic' : 'none',
    application_type: 'native',
});

/** One call of the 2026-07-28 revision, as body and headers. */
export const call = {
    body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/list',
        params: {
            _meta: {
                'io.modelcontextprotocol/protocolVersion': '2026-07-28',
                'io.modelcontextprotocol/clientInfo': { name: 'doorward-tests', version: '1' },
                'io.modelcontextprotocol/clientCapabilities': {},
            },
        },
    }),
    headers: {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/list',
    },
};
