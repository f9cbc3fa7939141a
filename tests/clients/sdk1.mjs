// The official TypeScript client, first generation (@modelcontextprotocol/sdk 1.x), with its own OAuth code.
import { Client } from '../npm/node_modules/@modelcontextprotocol/sdk/dist/esm/client/index.js';
import { UnauthorizedError } from '../npm/node_modules/@modelcontextprotocol/sdk/dist/esm/client/auth.js';
import { StreamableHTTPClientTransport } from '../npm/node_modules/@modelcontextprotocol/sdk/dist/esm/client/streamableHttp.js';
import { drive } from './driver.mjs';

const transport = (url, authProvider, fetch) => new StreamableHTTPClientTransport(new URL(url), { authProvider, fetch });

await drive({
    isUnauthorized: error => error instanceof UnauthorizedError,
    connect: async (url, provider, fetch) => {
        const client = new Client({ name: 'sdk1', version: '1' });
        await client.connect(transport(url, provider, fetch));
        return client;
    },
    finish: (url, provider, fetch, parameters) => transport(url, provider, fetch).finishAuth(parameters.get('code'))
});
