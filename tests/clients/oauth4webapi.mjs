// panva's oauth4webapi, the plain layer: each step is a request and a check of its answer.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { call, issuer, listener, options, registration, resource, say } from './stranger.mjs';

const find = createRequire(new URL('../npm/package.json', import.meta.url));
const oauth = await import(pathToFileURL(find.resolve('oauth4webapi')).href);
const plain = { [oauth.allowInsecureRequests]: true };
const scope = 'mcp:read';
const done = {};

// From the resource to its server, as RFC 9728 wants it.
const named = await oauth.processResourceDiscoveryResponse(
    new URL(resource),
    await oauth.resourceDiscoveryRequest(new URL(resource), plain),
);
done.resource = named.resource;
const as = await oauth.processDiscoveryResponse(
    new URL(named.authorization_servers[0]),
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain }),
);
const app = await listener();
const client = await oauth.processDynamicClientRegistrationResponse(
    await oauth.dynamicClientRegistrationRequest(as, registration(app.url), plain),
);
done.registered = client.client_id;

const auth = options.confidential ? oauth.ClientSecretBasic(client.client_secret) : oauth.None();
const DPoP = options.dpop ? oauth.DPoP(client, await oauth.generateKeyPair('ES256')) : undefined;
/** Once more where the server asks for its nonce; the library keeps the nonce. */
const withNonce = async step => {
    try {
        return await step();
    } catch (error) {
        if (!DPoP || !oauth.isDPoPNonceError(error)) throw error;
        done.nonces = (done.nonces ?? 0) + 1;
        return step();
    }
};
const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const request = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: app.url,
    scope,
    resource,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
});
const url = new URL(as.authorization_endpoint);
if (options.par) {
    const pushed = await withNonce(async () =>
        oauth.processPushedAuthorizationResponse(
            as,
            client,
            await oauth.pushedAuthorizationRequest(as, client, auth, request, { DPoP, ...plain }),
        ),
    );
    url.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
} else {
    url.search = request;
}
done.pushed = url.searchParams.has('request_uri');
say({ authorize: url.href });
const back = oauth.validateAuthResponse(as, client, await app.answer, state);
app.close();

const settings = { DPoP, additionalParameters: { resource }, ...plain };
const first = await withNonce(async () =>
    oauth.processAuthorizationCodeResponse(
        as,
        client,
        await oauth.authorizationCodeGrantRequest(as, client, auth, back, app.url, verifier, settings),
    ),
);
done.token = { type: first.token_type, scope: first.scope, expires_in: first.expires_in };
const reach = async token => {
    try {
        return await withNonce(async () => {
            const answer = await oauth.protectedResourceRequest(token, 'POST', new URL(resource), new Headers(call.headers), call.body, { DPoP, ...plain });
            return answer.status;
        });
    } catch (error) {
        if (error instanceof oauth.WWWAuthenticateChallengeError) return error.status;
        throw error;
    }
};
done.call = await reach(first.access_token);

const refresh = token =>
    withNonce(async () =>
        oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, auth, token, settings)),
    );
const second = await refresh(first.refresh_token);
done.refreshed = second.refresh_token !== first.refresh_token && second.access_token !== first.access_token;
done.refreshed_call = await reach(second.access_token);

const introspect = async token =>
    oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token, plain));
if (options.confidential) {
    const about = await introspect(second.access_token);
    done.introspected = { active: about.active, scope: about.scope, client_id: about.client_id };
}
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, second.refresh_token, plain));
done.revoked_call = await reach(second.access_token);
if (options.confidential) done.revoked_introspected = await introspect(second.access_token);
try {
    await refresh(second.refresh_token);
} catch (error) {
    done.revoked = error.error;
}

if (options.device) {
    const device = await oauth.processDeviceAuthorizationResponse(
        as,
        client,
        await oauth.deviceAuthorizationRequest(as, client, auth, { scope, resource }, plain),
    );
    say({ device: device.verification_uri, code: device.user_code });
    for (;;) {
        await new Promise(resolve => setTimeout(resolve, (device.interval ?? 5) * 1000)); // prescribed by RFC 8628
        try {
            const tokens = await oauth.processDeviceCodeResponse(
                as,
                client,
                await oauth.deviceCodeGrantRequest(as, client, auth, device.device_code, settings),
            );
            done.device = { type: tokens.token_type, call: await reach(tokens.access_token) };
            break;
        } catch (error) {
            if (error.error !== 'authorization_pending') throw error;
        }
    }
}
say({ done });
