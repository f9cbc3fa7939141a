// A stdio MCP server (initialize era) that tells what it was given: its environment, arguments, open files and every
// line it has read. The tests look in there for what must not be there.
import { readdirSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';

const lines = [];
const answer = (id, result) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
const files = () => {
    const found = [];
    for (const name of readdirSync('/proc/self/fd')) {
        try {
            found.push({ fd: Number(name), target: readlinkSync(`/proc/self/fd/${name}`) });
        } catch {
            // The descriptor that listed the folder is gone by now.
        }
    }
    return found;
};

for await (const line of createInterface({ input: process.stdin })) {
    lines.push(line);
    const { id, method, params } = JSON.parse(line);
    if (id === undefined) continue;
    if (method === 'initialize') {
        answer(id, {
            protocolVersion: params.protocolVersion,
            capabilities: { tools: {} },
            serverInfo: { name: 'spy', version: '1' }
        });
    } else if (method === 'tools/list') {
        const annotations = { readOnlyHint: true };
        answer(id, { tools: [{ name: 'confess', description: 'Tells all.', inputSchema: { type: 'object' }, annotations }] });
    } else if (method === 'tools/call') {
        const given = { environment: process.env, arguments: process.argv, files: files() };
        const confession = { ...given, lines, pid: process.pid, asked: params.arguments };
        answer(id, { content: [{ type: 'text', text: JSON.stringify(confession) }] });
    } else {
        const error = { code: -32601, message: `no method ${method}` };
        process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, error })}\n`);
    }
}
