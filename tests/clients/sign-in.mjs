// A browser in which somebody signs in at panva's oidc-provider: `node sign-in.mjs URL` ends at the app's own page, whose status
// and text it prints as {"status", "page"}.
import { walk } from './idp-pages.mjs';

const url = new URL(process.argv[2]);
const back = await walk(url, url.searchParams.get('redirect_uri'));
const answer = await fetch(back);
process.stdout.write(`${JSON.stringify({ status: answer.status, page: await answer.text() })}\n`);
