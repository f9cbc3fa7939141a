// What the two generations of the official TypeScript client share when a test drives them.
//
// A script is started as `node sdkN.mjs MCP_URL TOOL ARGUMENTS` (JSON). It writes one JSON object per line to stdout:
//   {"authorize": URL}          the client wants a browser there
//   {"tools": [...], "text": …} connected: the tools' names, and what the tool said
// and then obeys one word per line on stdin:
//   again          call the tool once more, now
//   after-expiry   wait until the access token has expired, then call once more
// each answered by {"text": …} or {"error": …}, with what happened on the way: "mcp_statuses" (the HTTP statuses of
// the MCP endpoint's POSTs), "grants" (the grant types sent to the token endpoint), "browser_wanted". End of input ends it.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const say = object => process.stdout.write(`${JSON.stringify(object)}\n`);

/** Notes what the client's own code sends and gets, and changes nothing. */
class Witness {
    constructor(mcpUrl) {
        this.mcpPath = new URL(mcpUrl).pathname;
        this.reset();
        this.fetch = async (input, init) => {
            const response = await fetch(input, init);
            const url = new URL(input instanceof Request ? input.url : input);
            if (url.pathname === this.mcpPath && init?.method === 'POST') this.statuses.push(response.status);
            const grant = new URLSearchParams(init?.body instanceof URLSearchParams ? init.body : '').get('grant_type');
            if (grant) this.grants.push(grant);
            return response;
        };
    }

    reset() {
        this.statuses = [];
        this.grants = [];
        this.browserWanted = false;
    }

    report() {
        return { mcp_statuses: this.statuses, grants: this.grants, browser_wanted: this.browserWanted };
    }
}

/** Waits on a free loopback port for the answer to one authorization request. */
async function callbackListener(path) {
    let arrived;
    const answer = new Promise(resolve => (arrived = resolve));
    const server = createServer((request, response) => {
        const url = new URL(request.url, 'http://127.0.0.1');
        if (url.pathname !== path) {
            response.writeHead(404).end();
            return;
        }
        response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><p id="arrived">You can close this window.</p>');
        arrived(url.searchParams);
    });
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${server.address().port}${path}`, answer, close: () => server.close() };
}

/** The provider that both generations of the client ask for state; it keeps all of it in memory. */
class Provider {
    constructor(redirectUrl, witness) {
        this.redirectUrl = redirectUrl;
        this.witness = witness;
    }

    get clientMetadata() {
        return {
            client_name: 'Foreign client',
            redirect_uris: [this.redirectUrl],
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'none'
        };
    }

    state() {
        this.expectedState = randomBytes(16).toString('hex');
        return this.expectedState;
    }

    clientInformation() {
        return this.client;
    }

    saveClientInformation(client) {
        this.client = client;
    }

    tokens() {
        return this.saved;
    }

    saveTokens(tokens) {
        this.saved = tokens;
        this.expiresAt = Date.now() + tokens.expires_in * 1000;
    }

    redirectToAuthorization(url) {
        this.witness.browserWanted = true;
        say({ authorize: url.href });
    }

    saveCodeVerifier(verifier) {
        this.verifier = verifier;
    }

    codeVerifier() {
        return this.verifier;
    }

    saveDiscoveryState(state) {
        this.discovery = state;
    }

    discoveryState() {
        return this.discovery;
    }

    invalidateCredentials(what) {
        if (what === 'all' || what === 'client') this.client = undefined;
        if (what === 'all' || what === 'tokens') this.saved = undefined;
        if (what === 'all' || what === 'verifier') this.verifier = undefined;
        if (what === 'all' || what === 'discovery') this.discovery = undefined;
    }
}

/**
 * Drives one client. `connect(url, provider, fetch)` returns a connected client; `isUnauthorized(error)` knows the
 * error that stands for "the browser was asked for"; `finish(url, provider, fetch, parameters)` hands the callback's
 * parameters to the client's own code.
 */
export async function drive({ connect, isUnauthorized, finish }) {
    const [url, tool, toolArguments] = process.argv.slice(2);
    const witness = new Witness(url);
    const listener = await callbackListener('/callback');
    const provider = new Provider(listener.url, witness);

    let client;
    try {
        client = await connect(url, provider, witness.fetch);
    } catch (error) {
        if (!isUnauthorized(error)) throw error;
        const parameters = await listener.answer;
        if (parameters.get('state') !== provider.expectedState) throw new Error('the callback has another state');
        if (parameters.has('error')) throw new Error(`refused: ${parameters.get('error')}`);
        await finish(url, provider, witness.fetch, parameters);
        client = await connect(url, provider, witness.fetch);
    }
    const call = async () => {
        const result = await client.callTool({ name: tool, arguments: JSON.parse(toolArguments) });
        return result.content[0].text;
    };
    const { tools } = await client.listTools();
    say({ tools: tools.map(each => each.name), text: await call(), ...witness.report() });

    for await (const word of createInterface({ input: process.stdin })) {
        witness.reset();
        if (word === 'after-expiry') {
            await new Promise(resolve => setTimeout(resolve, Math.max(0, provider.expiresAt - Date.now()) + 1000));
        } else if (word !== 'again') {
            throw new Error(`no such word: ${word}`);
        }
        try {
            say({ text: await call(), ...witness.report() });
        } catch (error) {
            say({ error: `${error.name}: ${error.message}`, ...witness.report() });
        }
    }
    await client.close();
    listener.close();
}
