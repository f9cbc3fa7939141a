// A browser in which somebody signs in at panva's oidc-provider: `node sign-in.mjs URL` ends at the app's own page, whose status
// and text it prints as {"status", "page"}.
import { get } from 'node:http';
import { walk } from './idp-pages.mjs';

const url = new URL(process.argv[2]);
const back = await walk(url, url.searchParams.get('redirect_uri'));
// Not with fetch, which says that it is a script and not somebody who follows a link.
get(back, async answer => {
    let page = '';
    for await (const part of answer.setEncoding('utf8')) page += part;
    process.stdout.write(`${JSON.stringify({ status: answer.statusCode, page })}\n`);
});
