// An enterprise's app, written with panva's oauth4webapi: signs a person in at the identity provider, gets ID-JAGs there and
// tokens for them at the gateway. `node id-jag.mjs ISSUER RESOURCE {"idp", "client_id", "secret"}` says {"signed_in": SUBJECT};
// each line that it reads is a command that it answers with one line:
//   {"exchange": {"audience", "resource", "scope", "client"}}  {"id_jag": JWT}
//   {"redeem": JWT}                                            {"token": {...}, "call": STATUS} or {"error": CODE or STATUS}
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { walk } from './idp-pages.mjs';
import { call, issuer, options, resource, say } from './stranger.mjs';

const find = createRequire(new URL('../npm/package.json', import.meta.url));
const oauth = await import(pathToFileURL(find.resolve('oauth4webapi')).href);
const plain = { [oauth.allowInsecureRequests]: true };

const provider = new URL(options.idp);
const idp = await oauth.processDiscoveryResponse(provider, await oauth.discoveryRequest(provider));
const app = { client_id: 'desktop', id_token_signed_response_alg: 'ES256' };
const secret = oauth.ClientSecretBasic('desktop-secret');
const redirect = 'http://127.0.0.1:7/cb';

const verifier = oauth.generateRandomCodeVerifier();
const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
const start = new URL(idp.authorization_endpoint);
start.search = new URLSearchParams({
    client_id: app.client_id,
    response_type: 'code',
    redirect_uri: redirect,
    scope: 'openid',
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
});
const back = oauth.validateAuthResponse(idp, app, await walk(start, redirect), state);
const session = await oauth.processAuthorizationCodeResponse(
    idp,
    app,
    await oauth.authorizationCodeGrantRequest(idp, app, secret, back, redirect, verifier),
    { expectedNonce: nonce, requireIdToken: true },
);

const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain }));
const here = { client_id: options.client_id };
say({ signed_in: oauth.getValidatedIdTokenClaims(session).sub, profiles: as.authorization_grant_profiles_supported });

async function exchange({ audience, resource, scope, client }) {
    const parameters = {
        requested_token_type: 'urn:ietf:params:oauth:token-type:id-jag',
        subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
        subject_token: session.id_token,
        audience,
        actor_client_id: client ?? options.client_id,
        ...(resource && { resource }),
        ...(scope && { scope }),
    };
    const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
    const answer = await oauth.genericTokenEndpointRequest(idp, app, secret, grant, parameters);
    const recognizedTokenTypes = { n_a: () => {} };
    return (await oauth.processGenericTokenEndpointResponse(idp, app, answer, { recognizedTokenTypes })).access_token;
}

async function redeem(assertion) {
    const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
    const auth = oauth.ClientSecretBasic(options.secret);
    try {
        const answer = await oauth.genericTokenEndpointRequest(as, here, auth, grant, { assertion }, plain);
        const token = await oauth.processGenericTokenEndpointResponse(as, here, answer);
        const headers = new Headers(call.headers);
        const called = await oauth.protectedResourceRequest(token.access_token, 'POST', new URL(resource), headers, call.body, plain);
        return { token, call: called.status };
    } catch (error) {
        if (error.error) return { error: error.error };
        if (error.cause?.status) return { error: error.cause.status };
        throw error;
    }
}

for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    say(command.redeem ? await redeem(command.redeem) : { id_jag: await exchange(command.exchange) });
}
process.exit(0);
