// The pages of panva's oidc-provider, where any name and password will do.

/** Walks the pages as a browser would, cookies and all, until they lead to an address that begins so. */
export async function walk(url, redirect) {
    const cookies = new Map();
    let body;
    for (let step = 0; step < 20; step += 1) {
        const answer = await fetch(url, {
            method: body ? 'POST' : 'GET',
            body,
            redirect: 'manual',
            headers: { cookie: [...cookies].map(pair => pair.join('=')).join('; ') },
        });
        for (const cookie of answer.headers.getSetCookie()) {
            const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
            cookies.set(name, value);
        }
        body = undefined;
        const next = answer.headers.get('location');
        if (next) {
            url = new URL(next, url);
            if (url.href.startsWith(redirect)) return url;
            continue;
        }
        const page = await answer.text();
        if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}: ${page}`);
        url = new URL(/action="([^"]+)"/.exec(page)[1], url);
        body = page.includes('name="password"')
            ? new URLSearchParams({ prompt: 'login', login: 'ada', password: 'any' })
            : new URLSearchParams({ prompt: 'consent' });
    }
    throw new Error('the provider does not lead back');
}
