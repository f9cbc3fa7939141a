// A host: the official TypeScript client, second generation, that starts a stdio server.
//
// `node host2.mjs VERSION PROGRAM ARGUMENTS...` speaks this version and no other, lists the tools, calls one that needs
// nothing, those that ask the host something and one after which the list has changed, and writes what came of it as one
// line of JSON.
import { Client } from '../npm/node_modules/@modelcontextprotocol/client/dist/index.mjs';
import { StdioClientTransport } from '../npm/node_modules/@modelcontextprotocol/client/dist/stdio.mjs';

const [version, command, ...args] = process.argv.slice(2);
const asked = [];
const client = new Client(
    { name: 'host2', version: '1' },
    {
        capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} },
        versionNegotiation: { mode: version === '2026-07-28' ? { pin: version } : 'legacy' },
    },
);
client.setRequestHandler('elicitation/create', () => {
    asked.push('elicitation/create');
    return { action: 'accept', content: { name: 'Ada' } };
});
client.setRequestHandler('sampling/createMessage', () => {
    asked.push('sampling/createMessage');
    return { role: 'assistant', model: 'none', content: { type: 'text', text: 'a sample' } };
});
client.setRequestHandler('roots/list', () => {
    asked.push('roots/list');
    return { roots: [{ uri: 'file:///root-of-the-host', name: 'r' }] };
});
let changed = 0;
const change = new Promise(resolve => {
    client.setNotificationHandler('notifications/tools/list_changed', () => {
        changed += 1;
        resolve();
    });
});
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' }));
const said = { server: client.getServerVersion(), tools: (await client.listTools()).tools.map(({ name }) => name), calls: {} };
const calls = [
    ['echo', { message: 'hello' }],
    ['get-structured-content', { location: 'New York' }],
    ['trigger-elicitation-request', {}],
    ['trigger-sampling-request', { prompt: 'p', maxTokens: 5 }],
    ['get-roots-list', {}],
    ['who', {}],
];
for (const [name, given] of calls) {
    if (said.tools.includes(name)) said.calls[name] = await client.callTool({ name, arguments: given });
}
// Who changes something before anybody listens is not heard.
while (said.tools.includes('change') && changed === 0) {
    await client.callTool({ name: 'change', arguments: {} });
    await Promise.race([change, new Promise(resolve => setTimeout(resolve, 500))]);
}
Object.assign(said, { asked, changed });
console.log(JSON.stringify(said));
await client.close();
