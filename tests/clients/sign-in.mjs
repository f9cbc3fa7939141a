// A browser in which somebody signs in at panva's oidc-provider: `node sign-in.mjs URL` ends at the app's own page, whose status
// and text it prints as {"status", "page"}; `node sign-in.mjs URL away` prints {"back": the address of that page} and leaves it.
import { get } from 'node:http';
import { walk } from './idp-pages.mjs';

const url = new URL(process.argv[2]);
// An address whose request was pushed does not say where it leads back.
const back = await walk(url, url.searchParams.get('redirect_uri') ?? 'http://127.0.0.1:');
if (process.argv[3]) {
    process.stdout.write(`${JSON.stringify({ back })}\n`);
    process.exit(0);
}
// Not with fetch, which says that it is a script and not somebody who follows a link.
get(back, async answer => {
    let page = '';
    for await (const part of answer.setEncoding('utf8')) page += part;
    process.stdout.write(`${JSON.stringify({ status: answer.statusCode, page })}\n`);
});
