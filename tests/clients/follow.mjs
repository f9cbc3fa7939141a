// A browser without a person: it follows redirects, also to a port that is not open yet. `BROWSER="node follow.mjs"`.
// Not `fetch`, which says of itself that it is a script of a page and is refused where a sign-in ends.
import { get } from 'node:http';

const asked = url => new Promise((resolve, reject) => {
    get(url, { timeout: 60_000 }, response => {
        response.resume();
        response.on('end', () => resolve(response.headers.location));
    }).on('error', reject);
});

let url = process.argv[2];
for (let tries = 0, hops = 0; tries < 100 && hops < 20; ) {
    try {
        const next = await asked(url);
        if (next === undefined) break;
        url = new URL(next, url).href;
        hops += 1;
    } catch {
        tries += 1;
        await new Promise(resolve => setTimeout(resolve, 100));
    }
}
