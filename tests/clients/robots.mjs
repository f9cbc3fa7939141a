// A program that acts for itself (client credentials), with panva's two libraries: `node robots.mjs ISSUER RESOURCE OPTIONS`,
// where OPTIONS are {"library": "openid-client" | "oauth4webapi", "key": BOOLEAN}. It says {"jwks": {...}} when it has a key, then
// reads one line, {"client_id", "client_secret"}, and says {"done": {...}}.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { call, issuer, options, resource, say } from './stranger.mjs';

const find = createRequire(new URL('../npm/package.json', import.meta.url));
const oauth = await import(pathToFileURL(find.resolve(options.library)).href);
const scope = 'mcp:read';
const done = {};

const keys = async () => {
    const { publicKey, privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
    return { own: { key: privateKey, kid: 'robot' }, jwk: { kty, crv, x, y, kid: 'robot', alg: 'ES256', use: 'sig' } };
};
const [key, thief] = [await keys(), await keys()];
say({ jwks: { keys: [key.jwk] } });
const [line] = await new Promise(resolve => createInterface({ input: process.stdin }).once('line', text => resolve([text])));
const { client_id, client_secret } = JSON.parse(line);

/** How this robot proves itself, and how one does that is not it. */
const proofs = () =>
    options.key
        ? [oauth.PrivateKeyJwt(key.own), oauth.PrivateKeyJwt(thief.own)]
        : [oauth.ClientSecretBasic(client_secret), oauth.ClientSecretBasic(`${client_secret}x`)];

async function withOpenidClient(auth, wanted) {
    const settings = { algorithm: 'oauth2', execute: [oauth.allowInsecureRequests] };
    const config = await oauth.discovery(issuer, client_id, undefined, auth, settings);
    const token = await oauth.clientCredentialsGrant(config, { resource, ...wanted });
    const answer = await oauth.fetchProtectedResource(config, token.access_token, new URL(resource), 'POST', call.body, new Headers(call.headers));
    return [token, answer.status];
}

async function withOauth4webapi(auth, wanted) {
    const plain = { [oauth.allowInsecureRequests]: true };
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain }));
    const client = { client_id };
    const answer = await oauth.clientCredentialsGrantRequest(as, client, auth, { resource, ...wanted }, plain);
    const token = await oauth.processClientCredentialsResponse(as, client, answer);
    const called = await oauth.protectedResourceRequest(token.access_token, 'POST', new URL(resource), new Headers(call.headers), call.body, plain);
    return [token, called.status];
}

const ask = options.library === 'openid-client' ? withOpenidClient : withOauth4webapi;
const refused = async (auth, wanted) => {
    try {
        await ask(auth, wanted);
    } catch (error) {
        // A challenge is told before the body is read.
        return error.error ?? (await error.response.json()).error;
    }
};
const [own, stolen] = proofs();
const [token, called] = await ask(own, { scope });
done.token = { type: token.token_type.toLowerCase(), scope: token.scope, expires_in: token.expires_in, refresh: 'refresh_token' in token };
done.call = called;
done.stolen = await refused(stolen, { scope });
done.more = await refused(own, { scope: 'mcp:read mcp:danger' });
done.elsewhere = await refused(own, { scope, resource: 'https://other.example/mcp' });
say({ done });
process.exit(0);
