// panva's oidc-provider as the authorization server of an MCP server of the official SDK. Everybody who comes is let in
// as one person: what is tried here is what goes over the wire. `node oidc.mjs`; it prints the MCP URL.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { McpServer } from '../npm/node_modules/@modelcontextprotocol/sdk/dist/esm/server/mcp.js';
import { StreamableHTTPServerTransport } from '../npm/node_modules/@modelcontextprotocol/sdk/dist/esm/server/streamableHttp.js';

const find = createRequire(new URL('../npm/package.json', import.meta.url));
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(find.resolve('jose')).href);
const { default: Provider } = await import(pathToFileURL(find.resolve('oidc-provider')).href);

let server;
const http = createServer((request, response) => server(request, response));
await new Promise(resolve => http.listen(0, '127.0.0.1', resolve));
const base = `http://localhost:${http.address().port}`;
const resource = `${base}/mcp`;

const provider = new Provider(base, {
    scopes: ['openid', 'offline_access', 'echo'],
    clientDefaults: { grant_types: ['authorization_code', 'refresh_token'] },
    features: {
        devInteractions: { enabled: false },
        registration: { enabled: true },
        revocation: { enabled: true },
        resourceIndicators: {
            enabled: true,
            getResourceServerInfo: () => ({ scope: 'echo', audience: resource, accessTokenFormat: 'jwt' }),
            useGrantedResource: () => true,
        },
    },
    issueRefreshToken: async () => true,
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    ttl: { AccessToken: 600, Grant: 3600, Interaction: 600, Session: 3600, IdToken: 600, RefreshToken: 3600 },
});
const keys = createRemoteJWKSet(new URL(`${base}/jwks`));

async function interact(request, response) {
    const details = await provider.interactionDetails(request, response);
    if (details.prompt.name === 'login') {
        return provider.interactionFinished(request, response, { login: { accountId: 'ada' } });
    }
    const grant = details.grantId
        ? await provider.Grant.find(details.grantId)
        : new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
    const { missingOIDCScope, missingResourceScopes } = details.prompt.details;
    if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
    for (const [of, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(of, scopes.join(' '));
    await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

async function call(request, response) {
    const token = request.headers.authorization?.replace(/^Bearer /i, '');
    try {
        await jwtVerify(token ?? '', keys, { issuer: base, audience: resource });
    } catch {
        const metadata = `${base}/.well-known/oauth-protected-resource/mcp`;
        response.writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${metadata}", scope="echo"` }).end();
        return;
    }
    const mcp = new McpServer({ name: 'behind-oidc', version: '1' });
    mcp.registerTool('greet', { description: 'Greets' }, () => ({ content: [{ type: 'text', text: 'hello' }] }));
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    await mcp.connect(transport);
    await transport.handleRequest(request, response);
}

const oidc = provider.callback();
server = (request, response) => {
    const path = request.url.split('?')[0];
    const failed = error => {
        console.error(error);
        if (!response.headersSent) response.writeHead(500).end();
    };
    if (path === '/mcp') return call(request, response).catch(failed);
    if (path.startsWith('/interaction/')) return interact(request, response).catch(failed);
    if (path === '/.well-known/oauth-protected-resource/mcp') {
        response.writeHead(200, { 'content-type': 'application/json' });
        return response.end(JSON.stringify({ resource, authorization_servers: [base], scopes_supported: ['echo'] }));
    }
    return oidc(request, response);
};
console.log(resource);
