// The client that the official suite starts: a host that speaks through `doorward connect`.
//
// The suite runs `node conformance-client.mjs SERVER_URL` and says in MCP_CONFORMANCE_* which scenario it is. The test
// says in DOORWARD_CONFORMANCE (JSON) how it is to be played:
//   program      the doorward binary
//   arguments    what follows `connect`; `{name}` is a member of the suite's context, `{file:name}` the path of a file
//                with it, `{env:name}` the name of an environment variable with it
//   environment  variables of that process, with the same braces
//   era          "initialize", or "modern" for a request that carries its own version
//   version      the protocol version that the host speaks
//   calls        whether every tool is called
//   reads        whether every resource is read and every prompt is got
//   skills       "list", or "load" to check each and go on where all is well; "load unseen" to go on in any case
//   lists        how many times tools are listed after that
//   ends         absent when all must go well, else the error code that doorward must give, on stderr or in an answer
// It exits with 0 when all went as it should, and says on stderr what did not.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PATIENCE = 40_000;
const play = JSON.parse(process.env.DOORWARD_CONFORMANCE);
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
const url = process.argv[2];

const environment = { ...process.env, ...play.environment };
delete environment.DOORWARD_CONFORMANCE;

function filled(text) {
    return text.replace(/\{(?:(file|env):)?([a-z_]+)\}/g, (_, kind, name) => {
        const value = context[name];
        if (typeof value !== 'string') throw new Error(`the suite's context has no ${name}: ${Object.keys(context)}`);
        if (kind === 'file') {
            const file = join(mkdtempSync(join(process.env.TMPDIR ?? tmpdir(), 'context-')), name);
            writeFileSync(file, value, { mode: 0o600 });
            return file;
        }
        if (kind === 'env') environment[`CONTEXT_${name.toUpperCase()}`] = value;
        return kind === 'env' ? `CONTEXT_${name.toUpperCase()}` : value;
    });
}

const given = play.arguments.map(filled);
for (const [name, value] of Object.entries(play.environment ?? {})) environment[name] = filled(value);
const bridge = spawn(play.program, ['connect', ...given, url], { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
const seen = [];
bridge.stderr.on('data', chunk => {
    process.stderr.write(chunk);
    seen.push(chunk.toString());
});
const exited = new Promise(resolve => bridge.on('close', resolve));
exited.then(code => waiting.forEach(({ reject }) => reject(new Error(`doorward ended with ${code}`))));

const waiting = new Map();
createInterface({ input: bridge.stdout }).on('line', line => {
    const message = JSON.parse(line);
    if (message.method !== undefined && message.id !== undefined) return answer(message);
    const open = waiting.get(message.id);
    if (!open) return;
    waiting.delete(message.id);
    if (message.error) open.reject(refusal(open.method, message.error));
    else open.resolve(message.result);
});

function refusal(method, error) {
    return Object.assign(new Error(`${method} was answered with ${JSON.stringify(error)}`), error, {
        message: `${method} was answered with ${JSON.stringify(error)}`,
    });
}

function answerTo(method, params) {
    const results = {
        ping: () => ({}),
        'roots/list': () => ({ roots: [] }),
        'elicitation/create': () => ({ action: 'accept', content: defaults(params.requestedSchema) }),
    };
    return results[method]?.();
}

/** What the server asks of the host. */
function answer({ id, method, params }) {
    const result = answerTo(method, params);
    send(result ? { id, result } : { id, error: { code: -32601, message: `no ${method} here` } });
}

function defaults(schema) {
    const members = Object.entries(schema?.properties ?? {}).filter(([, member]) => member.default !== undefined);
    return Object.fromEntries(members.map(([name, member]) => [name, member.default]));
}

function send(message) {
    bridge.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}

const clientInfo = { name: 'doorward-tests', version: '1' };
const capabilities = { elicitation: { form: { applyDefaults: true } }, roots: {} };
const meta = {
    'io.modelcontextprotocol/protocolVersion': play.version,
    'io.modelcontextprotocol/clientInfo': clientInfo,
    'io.modelcontextprotocol/clientCapabilities': capabilities,
};
let last = 0;

function sent(method, params) {
    last += 1;
    const id = last;
    send({ id, method, params: play.era === 'modern' ? { ...params, _meta: meta } : params });
    return new Promise((resolve, reject) => {
        waiting.set(id, { method, resolve, reject });
        setTimeout(() => reject(new Error(`no answer to ${method} within ${PATIENCE} ms`)), PATIENCE).unref();
    });
}

/** A request, again as long as the server wants to know more before it can go on. */
async function request(method, params) {
    let result;
    try {
        result = await sent(method, params);
    } catch (error) {
        // A version that is refused although it is among those that are served.
        if (!error.code || error.code !== -32022 || !error.data?.supported?.includes(play.version)) throw error;
        result = await sent(method, params);
    }
    for (let round = 0; play.era === 'modern' && result.resultType === 'input_required' && round < 10; round += 1) {
        const asked = Object.entries(result.inputRequests ?? {});
        const inputResponses = Object.fromEntries(asked.map(([key, { method, params }]) => [key, answerTo(method, params)]));
        const state = result.requestState === undefined ? {} : { requestState: result.requestState };
        result = await sent(method, { ...params, inputResponses, ...state });
    }
    return result;
}

/** Arguments that a schema allows. */
function made(schema) {
    const required = schema?.required ?? [];
    return Object.fromEntries(required.map(name => [name, value(schema.properties?.[name] ?? {})]));
}

function value(schema) {
    if (schema.default !== undefined) return schema.default;
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return schema.enum[0];
    const kind = [schema.type].flat()[0];
    return { number: 5, integer: 3, boolean: true, array: [], object: made(schema) }[kind] ?? 'text';
}

/** Lists the skills, and loads each as a host must: what does not fit its entry is not believed, nor what belongs to it. */
async function skills() {
    const listed = await request('skills/list', {});
    for (const { uri, frontmatter, resources } of play.skills === 'list' ? [] : listed.skills) {
        const is = (text, { digest, size }) =>
            Buffer.byteLength(text) === size && digest === `sha256:${createHash('sha256').update(text).digest('hex')}`;
        const read = async uri => (await request('resources/read', { uri })).contents[0].text;
        const skill = await read(uri);
        const said = Object.entries(frontmatter).every(([name, value]) => skill.includes(`\n${name}: ${value}\n`));
        const good = said && is(skill, resources.find(resource => resource.uri === uri));
        if (!good && play.skills === 'load') continue;
        for (const other of resources.filter(resource => resource.uri !== uri)) await read(other.uri);
    }
}

async function run() {
    if (play.era === 'initialize') {
        await request('initialize', { protocolVersion: play.version, capabilities, clientInfo });
        send({ method: 'notifications/initialized' });
    }
    const { tools } = await request('tools/list', {});
    for (const tool of play.calls ? tools : []) {
        const call = { name: tool.name, arguments: made(tool.inputSchema) };
        // A tool that wants a schema is given one as it arrived here.
        if (tool.inputSchema.required?.includes('schema')) call.arguments.schema = tools[0].inputSchema;
        const calls = context.toolCalls?.filter(({ name }) => name === tool.name) ?? [call];
        for (const { name, arguments: given } of calls) {
            const result = await request('tools/call', { name, arguments: given });
            // A call for want of a login comes to a result that says so.
            if (play.ends && result.isError) throw new Error(`${name} came to ${JSON.stringify(result)}`);
        }
    }
    if (play.reads) {
        const { resources } = await request('resources/list', {});
        for (const { uri } of resources) await request('resources/read', { uri });
        const { prompts } = await request('prompts/list', {});
        for (const { name } of prompts) await request('prompts/get', { name });
    }
    if (play.skills) await skills();
    for (let list = 0; list < (play.lists ?? 0); list += 1) await request('tools/list', {});
}

let failure;
try {
    await run();
} catch (error) {
    failure = error.message;
}
bridge.stdin.end();
const killing = setTimeout(() => bridge.kill('SIGKILL'), PATIENCE);
const code = await exited;
clearTimeout(killing);
if (play.ends) {
    const told = `${failure ?? ''} ${seen.join('')}`;
    if (failure !== undefined && told.includes(play.ends)) process.exit(0);
    console.error(`it should have ended with ${play.ends}; ${failure ?? 'all went well'}`);
    process.exit(1);
}
if (failure !== undefined || code !== 0) {
    console.error(failure ?? `doorward ended with ${code}`);
    process.exit(1);
}
process.exit(0);
