// A web site over TLS that says what it is told to: `node https.mjs CERTIFICATE KEY`. It prints {"port": N}; each line that it
// reads is a command that it answers with one line:
//   {"put": PATH, "status": 200, "headers": {}, "body": TEXT, "drip": MILLISECONDS}   drip: one byte each so often
//   {"count": PATH}                                                                   how often it was asked for
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';

const say = object => process.stdout.write(`${JSON.stringify(object)}\n`);
const pages = new Map();
const counts = new Map();

const server = createServer({ cert: readFileSync(process.argv[2]), key: readFileSync(process.argv[3]) }, async (request, response) => {
    counts.set(request.url, (counts.get(request.url) ?? 0) + 1);
    const page = pages.get(request.url);
    if (!page) return response.writeHead(404).end();
    response.writeHead(page.status ?? 200, page.headers ?? {});
    if (!page.drip) return response.end(page.body);
    for (const byte of page.body) {
        if (response.destroyed) return;
        response.write(byte);
        await new Promise(resolve => setTimeout(resolve, page.drip));
    }
    response.end();
});
// A handshake that the other side breaks off is what some tests are about.
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));

for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    if (command.put) {
        pages.set(command.put, command);
        say({ put: command.put });
    } else {
        say({ count: counts.get(command.count) ?? 0 });
    }
}
process.exit(0);
