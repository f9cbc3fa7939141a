// An enterprise's identity provider: panva's oidc-provider over TLS, with the token exchange for an ID-JAG as a grant type.
// `node idp.mjs CERTIFICATE KEY` prints {"issuer": URL}; each line that it reads is a command that it answers with one line:
//   {"rotate": "RS256"}    signs with a new key from now on and publishes the old one too
//   {"withdraw": true}     publishes only the key that signs
//   {"lifetime": SECONDS}  how long its assertions last from now on
//   {"app": {AUDIENCE: CLIENT}}    what the client is called at which authorization server
//   {"id_tokens": SECONDS}         how long its ID tokens last from now on
//   {"refresh_tokens": true or false}  whether it gives refresh tokens from now on
//   {"refuse": ERROR or null}      how it answers exchanges from now on
//   {"spoil": {CLAIMS} or "signature" or null}  what is wrong with its ID tokens from now on
//   {"pushed_only": true or false}     whether it takes only authorization requests that were pushed (PAR) from now on
//   {"secrets": true}              is answered with {"secrets": [all that was secret in requests and answers so far]}
//   {"seen": true}                 is answered with {"seen": [the grants that were asked for since the last time]}
// The client `desktop` with the secret `desktop-secret` may sign people in; any name and password will do.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const find = createRequire(new URL('../npm/package.json', import.meta.url));
const { default: Provider, errors } = await import(pathToFileURL(find.resolve('oidc-provider')).href);
const { SignJWT, importJWK } = await import(pathToFileURL(find.resolve('jose')).href);

// The library's notices are not for whoever reads the answers.
console.info = console.error;
const say = object => process.stdout.write(`${JSON.stringify(object)}\n`);
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';

function key(alg) {
    const { privateKey } =
        alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg, use: 'sig' };
}

let keys = [key('ES256')];
let lifetime = 300;
let idTokens = 3600;
let apps = {};
let refuse;
let withRefresh = true;
let spoil;
let pushedOnly = false;
const seen = [];
const secrets = new Set();
let issuer;
let provider;

async function exchange(ctx) {
    const { params, client } = ctx.oidc;
    if (params.requested_token_type !== ID_JAG || params.subject_token_type !== ID_TOKEN) {
        throw new errors.InvalidRequest('only an ID-JAG for an ID token');
    }
    if (refuse) throw new errors.CustomOIDCProviderError(refuse, 'the administrator said so');
    if (!params.audience) throw new errors.InvalidRequest('no audience');
    let subject;
    try {
        ({ payload: subject } = await provider.IdToken.validate(params.subject_token, client));
    } catch {
        throw new errors.InvalidGrant('the subject token is not good');
    }
    // What this client is called over there; an enterprise keeps a table of that.
    const claims = { client_id: params.actor_client_id ?? apps[params.audience], email: `${subject.sub}@corp.example` };
    for (const name of ['resource', 'scope']) if (params[name]) claims[name] = params[name];
    const [signing] = keys;
    const now = Math.floor(Date.now() / 1000);
    const assertion = await new SignJWT(claims)
        .setProtectedHeader({ alg: signing.alg, kid: signing.kid, typ: 'oauth-id-jag+jwt' })
        .setIssuer(issuer)
        .setSubject(subject.sub)
        .setAudience(params.audience)
        .setJti(randomUUID())
        .setIssuedAt(lifetime > 0 ? now : now + 2 * lifetime)
        .setExpirationTime(now + lifetime)
        .sign(await importJWK(signing, signing.alg));
    ctx.body = { access_token: assertion, issued_token_type: ID_JAG, token_type: 'N_A', expires_in: Math.max(lifetime, 0) };
}

/** An ID token that is not as it should be, but signed all the same; or signed by somebody else. */
async function spoilt(idToken) {
    const claims = JSON.parse(Buffer.from(idToken.split('.')[1], 'base64url'));
    const [signing] = keys;
    const wrong = spoil === 'signature' ? key(signing.alg) : signing;
    const payload = spoil === 'signature' ? claims : { ...claims, ...spoil };
    const header = { alg: signing.alg, kid: signing.kid };
    return new SignJWT(payload).setProtectedHeader(header).sign(await importJWK(wrong, signing.alg));
}

function begin() {
    provider = new Provider(issuer, {
        jwks: { keys },
        enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256'] },
        cookies: { keys: ['a key of the tests'] },
        pkce: { required: () => true },
        features: {
            revocation: { enabled: true },
            pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: pushedOnly },
        },
        clients: [
            {
                client_id: 'desktop',
                client_secret: 'desktop-secret',
                redirect_uris: ['http://127.0.0.1/cb'],
                application_type: 'native',
                grant_types: ['authorization_code', 'refresh_token', EXCHANGE],
                response_types: ['code'],
                token_endpoint_auth_method: 'client_secret_basic',
                id_token_signed_response_alg: keys.at(-1).alg, // of the key that those have who signed in before
            },
        ],
        ttl: { IdToken: () => idTokens },
        issueRefreshToken: async () => withRefresh,
        findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    });
    provider.use(async (ctx, next) => {
        await next();
        for (const name of ['state', 'nonce', 'code_challenge', 'code', 'code_verifier', 'refresh_token', 'subject_token', 'token'])
            secrets.add(ctx.oidc?.params?.[name]);
        for (const name of ['access_token', 'refresh_token', 'id_token']) secrets.add(ctx.body?.[name]);
        secrets.add(ctx.get('authorization').split(' ')[1]);
        if (ctx.oidc?.route !== 'token') return;
        seen.push(ctx.oidc.params?.grant_type?.split(':').at(-1));
        if (spoil && ctx.body?.id_token) ctx.body.id_token = await spoilt(ctx.body.id_token);
    });
    provider.on('server_error', (ctx, error) => console.error(error));
    const parameters = ['audience', 'resource', 'scope', 'subject_token', 'subject_token_type', 'requested_token_type', 'actor_client_id'];
    provider.registerGrantType(EXCHANGE, exchange, parameters, []);
    return provider.callback();
}

let answer;
const server = createServer({ cert: readFileSync(process.argv[2]), key: readFileSync(process.argv[3]) }, (request, response) =>
    answer(request, response),
);
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => {
    issuer = `https://localhost:${server.address().port}`;
    answer = begin();
    say({ issuer });
});

for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    if (command.rotate) keys = [key(command.rotate), ...keys];
    if (command.withdraw) keys = keys.slice(0, 1);
    if (command.lifetime) lifetime = command.lifetime;
    if (command.app) Object.assign(apps, command.app);
    if (command.id_tokens) idTokens = command.id_tokens;
    if ('refresh_tokens' in command) withRefresh = command.refresh_tokens;
    if ('pushed_only' in command) pushedOnly = command.pushed_only;
    if ('refuse' in command) ({ refuse } = command);
    if ('spoil' in command) ({ spoil } = command);
    if (command.rotate || command.withdraw || 'pushed_only' in command) answer = begin();
    if (command.secrets) {
        say({ secrets: [...secrets].filter(text => text?.length >= 16) });
        continue;
    }
    say(command.seen ? { seen: seen.splice(0) } : { done: true });
}
process.exit(0);
