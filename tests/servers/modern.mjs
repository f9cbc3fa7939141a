// A server of the 2026-07-28 revision and of no other: the official TypeScript server, second generation, over HTTP.
// It writes its URL as the first line.
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { McpServer, createMcpHandler, fromJsonSchema, inputRequired } from '../npm/node_modules/@modelcontextprotocol/server/dist/index.mjs';

let handler;
function server() {
    const server = new McpServer(
        { name: 'modern', version: '1' },
        { capabilities: { tools: { listChanged: true }, logging: {} } },
    );
    const text = text => ({ content: [{ type: 'text', text }] });
    const name = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
    const message = { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] };
    server.registerTool('echo', { inputSchema: fromJsonSchema(message) }, ({ message }) => text(`Echo: ${message}`));
    server.registerTool('who', { description: 'asks for a name' }, context => {
        const responses = context.mcpReq.inputResponses;
        if (!responses) {
            const who = inputRequired.elicit({ message: 'Who?', requestedSchema: name });
            const inputRequests = { who, where: inputRequired.listRoots() };
            return inputRequired({ inputRequests, requestState: 'state-1' });
        }
        const { who, where } = responses;
        return text(JSON.stringify({ who, where, state: context.mcpReq.requestState() }));
    });
    server.registerTool('change', { description: 'changes the list of tools' }, () => {
        handler.notify.toolsChanged();
        return text('changed');
    });
    return server;
}

handler = createMcpHandler(server, { legacy: 'reject', onerror: error => console.error(error.message) });
const http = createServer(async (request, response) => {
    const headers = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const body = request.method === 'POST' ? Readable.toWeb(request) : undefined;
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const asked = new Request(`http://127.0.0.1${request.url}`, {
        method: request.method, headers, body, duplex: 'half', signal: gone.signal,
    });
    const answer = await handler.fetch(asked);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (!answer.body) return response.end();
    try {
        for await (const chunk of answer.body) response.write(chunk);
    } catch { /* the caller has gone */ }
    response.end();
});
http.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${http.address().port}/mcp`));
