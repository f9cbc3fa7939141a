// panva's openid-client: each request and each check is the library's own.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { call, issuer, listener, options, registration, resource, say } from './stranger.mjs';

const find = createRequire(new URL('../npm/package.json', import.meta.url));
const oauth = await import(pathToFileURL(find.resolve('openid-client')).href);
const insecure = { algorithm: 'oauth2', execute: [oauth.allowInsecureRequests] };
const scope = 'mcp:read';
const done = {};

const app = await listener();
// With a secret, the library's own choice is to send it in the body.
const about = options.confidential
    ? { ...registration(app.url), token_endpoint_auth_method: 'client_secret_post' }
    : registration(app.url);
let auth = options.confidential ? undefined : oauth.None();
if (options.key) {
    const key = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', key.publicKey);
    about.jwks = { keys: [{ kty, crv, x, y, alg: 'ES256', use: 'sig' }] };
    about.token_endpoint_auth_method = 'private_key_jwt';
    auth = oauth.PrivateKeyJwt(key.privateKey);
}
const config = await oauth.dynamicClientRegistration(issuer, about, auth, insecure);
const server = config.serverMetadata();
done.registered = config.clientMetadata().client_id;

const DPoP = options.dpop ? oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair('ES256')) : undefined;
const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
const expectedState = oauth.randomState();
const request = {
    redirect_uri: app.url,
    scope,
    resource,
    state: expectedState,
    code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
};
const url = options.par
    ? await oauth.buildAuthorizationUrlWithPAR(config, request, { DPoP })
    : oauth.buildAuthorizationUrl(config, request);
done.pushed = url.searchParams.has('request_uri');
say({ authorize: url.href });
const back = await app.answer;
app.close();

const first = await oauth.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState }, { resource }, { DPoP });
done.token = { type: first.token_type, scope: first.scope, expires_in: first.expires_in };
const reach = async token => {
    try {
        return (await oauth.fetchProtectedResource(config, token, new URL(resource), 'POST', call.body, new Headers(call.headers), { DPoP })).status;
    } catch (error) {
        if (error.cause instanceof Response || error.status) return error.status ?? error.cause.status;
        if (Array.isArray(error.cause)) return 401; // the library read the challenge
        throw error;
    }
};
done.call = await reach(first.access_token);

const second = await oauth.refreshTokenGrant(config, first.refresh_token, { resource }, { DPoP });
done.refreshed = second.refresh_token !== first.refresh_token && second.access_token !== first.access_token;
done.refreshed_call = await reach(second.access_token);

if (options.confidential) {
    const { active, scope, client_id } = await oauth.tokenIntrospection(config, second.access_token);
    done.introspected = { active, scope, client_id };
}
await oauth.tokenRevocation(config, second.refresh_token, { token_type_hint: 'refresh_token' });
done.revoked_call = await reach(second.access_token);
if (options.confidential) done.revoked_introspected = await oauth.tokenIntrospection(config, second.access_token);
try {
    await oauth.refreshTokenGrant(config, second.refresh_token, { resource }, { DPoP });
} catch (error) {
    done.revoked = error.error;
}

if (options.device) {
    const device = await oauth.initiateDeviceAuthorization(config, { scope, resource });
    say({ device: device.verification_uri, code: device.user_code });
    const tokens = await oauth.pollDeviceAuthorizationGrant(config, device, { resource }, { DPoP });
    done.device = { type: tokens.token_type, call: await reach(tokens.access_token) };
}
done.methods = server.code_challenge_methods_supported;
say({ done });
