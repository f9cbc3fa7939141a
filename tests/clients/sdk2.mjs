// The official TypeScript client, second generation (@modelcontextprotocol/client 2.x), with its own OAuth code.
// It asks for the 2026-07-28 revision first and falls back to `initialize` by itself.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '../npm/node_modules/@modelcontextprotocol/client/dist/index.mjs';
import { drive } from './driver.mjs';

const transport = (url, authProvider, fetch) => new StreamableHTTPClientTransport(new URL(url), { authProvider, fetch });

await drive({
    isUnauthorized: error => error instanceof UnauthorizedError,
    connect: async (url, provider, fetch) => {
        const client = new Client({ name: 'sdk2', version: '1' }, { versionNegotiation: { mode: 'auto' } });
        await client.connect(transport(url, provider, fetch));
        return client;
    },
    // The client checks `iss` itself when it gets all the parameters.
    finish: (url, provider, fetch, parameters) => transport(url, provider, fetch).finishAuth(parameters)
});
