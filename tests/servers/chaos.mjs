// A stdio MCP server (initialize era) that misbehaves when it is told to: the tool's name says how.
import { createInterface } from 'node:readline';

const write = text => new Promise(resolve => process.stdout.write(text, resolve));
const answer = (id, result) => write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
const tools = ['well', 'noise', 'flood', 'endless', 'half', 'silence', 'exit', 'crash'];
const done = id => answer(id, { content: [{ type: 'text', text: 'done' }] });

const acts = {
    well: done,
    // Log lines, bytes that are no text, answers to questions nobody asked, and a question of its own.
    noise: async id => {
        await write('starting up…\r\n\u001b[31mred\u001b[0m\n\0\0\0\n\n{"half": \n[]\nnull\n"text"\n');
        await write(Buffer.from([0xff, 0xfe, 0x80, 0x0a]));
        await write('{"jsonrpc":"2.0","id":987654321,"result":{}}\n{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"x"}}\n');
        await write('{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\n');
        for (let line = 0; line < 20000; line += 1) process.stdout.write(`line ${line}\n`);
        await done(id);
    },
    // A line of 100 MB.
    flood: async id => {
        const part = 'x'.repeat(1 << 20);
        for (let at = 0; at < 100; at += 1) await write(part);
        await write('\n');
        await done(id);
    },
    // A line that never ends, and nothing after it.
    endless: async () => {
        await write('{"jsonrpc":"2.0","id":');
    },
    // Half an answer, then the end.
    half: async id => {
        await write(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"res`);
        process.exit(0);
    },
    silence: async () => {},
    exit: async () => process.exit(0),
    crash: async () => process.kill(process.pid, 'SIGKILL')
};

for await (const line of createInterface({ input: process.stdin })) {
    const { id, method, params } = JSON.parse(line);
    if (id === undefined) continue;
    if (method === 'initialize') {
        const serverInfo = { name: 'chaos', version: '1' };
        await answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo });
    } else if (method === 'tools/list') {
        const annotations = { readOnlyHint: true };
        await answer(id, { tools: tools.map(name => ({ name, inputSchema: { type: 'object' }, annotations })) });
    } else if (method === 'tools/call') {
        // Not awaited: a server that floods still reads.
        acts[params.name](id);
    } else {
        await write(`${JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: `no method ${method}` } })}\n`);
    }
}
