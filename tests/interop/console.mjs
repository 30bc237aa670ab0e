/*
 * console.mjs - see console.sh.
 *
 * The server is ctl_server, of which the page is looked at as on an admin
 * listener, by its port, and by `eddy console`, which knows but its socket. With
 * SHOTS in the environment pictures are left in that directory.
 */
import {spawn} from 'node:child_process';
import {get} from 'node:http';
import {finish, freePort, must, open, promise, sleep, until}
  from './browser.mjs';

const TOKEN = 'sesame';

// ---- programs ----

const children = [];
process.on('exit', () => children.forEach(child => child.kill('SIGKILL')));

// Starts one; what it prints is in `said`.
function start(program, ...args) {
  const child = spawn(program, args, {stdio: ['ignore', 'pipe', 'inherit']});
  child.said = '';
  child.stdout.on('data', bytes => { child.said += bytes; });
  child.ended = new Promise(done => child.on('exit', done));
  children.push(child);
  return child;
}

const port = await freePort();
const socket = `${process.cwd()}/eddy-shop.ctl`;
const url = `http://127.0.0.1:${port}`;

async function startServer() {
  const server = start('./ctl_server', 'v1', '200', `unix:${socket}`,
    `127.0.0.1:${port}`);
  await until('the server listens', () => server.said.includes('ready'));
  return server;
}
let server = await startServer();

const told = async line => until(`the server hears ${line}`,
  () => server.said.trimEnd().endsWith(`POST /v1/${line}`));

async function startConsole(...args) {
  const program = start(`${process.env.EDDY_BUILD}/eddy`, 'console', '--socket',
    socket, ...args);
  await until('it says where', () => /http:\S+/.test(program.said));
  return program;
}
const addresses = program => program.said.match(/http:\S+/g);

// ---- pages ----

const isLive = page => until('the page is live', async () =>
  await page.locator('#link').getAttribute('data-link') === 'live');
const textOf = (page, selector) => page.locator(selector).first().innerText();
const shows = (page, selector, text) => until(`${selector} shows ${text}`,
  async () => (await page.locator(selector).allInnerTexts()).join('\n')
    .includes(text));

async function shoot(page, name) {
  if (process.env.SHOTS)
    await page.screenshot({path: `${process.env.SHOTS}/${name}.png`,
      fullPage: true});
}

const page = await open(`${url}/console`,
  {mayBreak: true, mayRefuse: true, viewport: {width: 1280, height: 900}});

await promise('the page is live', () => isLive(page));

await promise('it shows the figures of the moment', async () => {
  await until('a rate', async () =>
    /^1\d,\d{3}$|^\d,\d{3}$/.test(await textOf(page, '#now-rate')));
  must(await textOf(page, '#now-p99') === '42.1 ms', 'another latency');
  must(await textOf(page, '#now-running') === '8', 'not what is in flight');
  await shows(page, '#about', 'up 3d 04h, 2 of 2 workers');
  must(await textOf(page, '#program') === 'shop', 'another program');
});

await promise('charts are drawn, and say what they show', async () => {
  await sleep(1500);
  const charts = await page.locator('figure canvas').evaluateAll(all =>
    all.map(canvas => {
      const {data} = canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height);
      const seen = new Set();
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] === 255) seen.add(data.slice(i, i + 3).join());
      return {colours: seen.size, says: canvas.getAttribute('aria-label')};
    }));
  must(charts.length === 4, `${charts.length} charts`);
  charts.forEach(({colours, says}) => {
    must(colours > 1, `nothing is drawn of ${says}`);
    must(/\d/.test(says), `no figure: ${says}`);
  });
});

await promise('a chart is read by the keyboard', async () => {
  await page.locator('#chart-latency canvas').focus();
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  const says = await page.locator('#chart-latency canvas')
    .getAttribute('aria-label');
  must(/ago: p50 1\.60 ms, p90 5\.60 ms, p99 42\.1 ms/.test(says), says);
});

await promise('what a client made up is text', async () => {
  await shows(page, '#slowest', `/search?q=<script>document.title='owned'`);
  must(await page.locator('table script').count() === 0, 'there is a script');
  must(await page.title() === 'shop – Eddy console', await page.title());
  const texts = (await page.locator('#slowest').innerText());
  must(!/[\u0000-\u0008\u001b\u202e]/.test(texts), 'signs that turn or control');
  must(texts.includes('/люди/Зоя'), 'other alphabets are gone');
});

await promise('headers let nothing else in', async () => {
  for (const file of ['', 'console.js', 'console.css']) {
    const {headers} = await fetch(`${url}/console/${file}`);
    const policy = headers.get('content-security-policy');
    must(policy.startsWith(`default-src 'none'; script-src 'self';`), policy);
    must(!policy.includes('unsafe'), policy);
    must(headers.get('x-content-type-options') === 'nosniff', file);
  }
  must(!/ on\w+=| style=|<style|<script>/.test(
    await (await fetch(`${url}/console/`)).text()), 'there is inline code');
});

// ---- stacks ----

await promise('a click on a request shows its stack', async () => {
  await page.getByRole('button', {name: /^\/reports/}).click();
  await shows(page, '#stack', 'shop/reports.c:64');
  await shows(page, '#stack', 'GET http://rates.local/');
  await shoot(page, 'stack');
  await page.keyboard.press('Escape');
  must(!await page.locator('#stack').isVisible(), 'escape does not close it');
});

await promise('so does the keyboard, though rows come anew', async () => {
  const button = page.getByRole('button', {name: '/orders'});
  await button.focus();
  await sleep(700); // some messages
  await page.keyboard.press('Enter');
  await shows(page, '#stack', 'no request of that id is in flight');
  await page.keyboard.press('Escape');
});

// ---- changes ----

await promise('without a token nothing can be changed', async () => {
  for (const name of ['Reload', 'Drain', 'One worker more'])
    must(await page.getByRole('button', {name, exact: true}).isDisabled(),
      `${name} is enabled`);
  must(await page.locator('#level').isDisabled(), 'the log level is enabled');
});

const unlock = async token => {
  await page.locator('#token').fill(token);
  await page.keyboard.press('Enter');
};

await promise('a wrong token is found out', async () => {
  await unlock('open');
  await page.locator('#do-resume').click();
  await shows(page, '#outcome', 'this needs the token');
  must(await page.locator('#do-resume').isDisabled(), 'it is still unlocked');
});

await promise('with the token the server is told', async () => {
  await unlock(TOKEN);
  await page.locator('#do-reload').click();
  await page.locator('#ask-no').click();
  await page.locator('#do-chain').click();
  await page.locator('#ask-yes').click();
  await told('reload {"chain":true}');
  must(!server.said.includes('"chain":false'), 'it was told without consent');
  await shows(page, '#outcome', 'as told');
  await page.locator('#do-more').click();
  await told('scale {"workers":3}');
  await shows(page, '#wanted', '3');
  await shows(page, '#workers', '4103');
  await page.locator('#do-fewer').click();
  await told('scale {"workers":2}');
  await page.locator('#level').selectOption('debug');
  await told('log-level {"level":"debug"}');
  await page.locator('#do-drain').click();
  await page.locator('#ask-yes').click();
  await told('drain {}');
  await shows(page, '#state', 'draining');
  await page.locator('#do-resume').click();
  await told('resume {}');
});

await promise('the token is kept for this tab, and nowhere else', async () => {
  const kept = await page.evaluate(() => JSON.stringify({...localStorage}) +
    document.cookie + location.href);
  must(!kept.includes(TOKEN), kept);
  await page.reload();
  await isLive(page);
  must(await page.locator('#do-reload').isEnabled(), 'a reload loses it');
  await page.locator('#unlock-button').click();
  must(await page.locator('#do-reload').isDisabled(), 'it cannot be locked');
  must(await page.evaluate(() => sessionStorage.length) === 0, 'it is kept');
});

// ---- shapes ----

for (const [name, options] of Object.entries({
  wide: {viewport: {width: 1280, height: 900}},
  dark: {viewport: {width: 1280, height: 900}, colorScheme: 'dark'},
  narrow: {viewport: {width: 390, height: 844}},
  'narrow-dark': {viewport: {width: 390, height: 844}, colorScheme: 'dark'},
})) {
  await promise(`${name}: nothing sticks out`, async () => {
    const other = await open(`${url}/console/`, options);
    await isLive(other);
    await shows(other, '#slowest', '/reports');
    const [has, wants, ground] = await other.evaluate(() => [innerWidth,
      document.documentElement.scrollWidth,
      getComputedStyle(document.body).backgroundColor]);
    must(wants <= has, `${wants} px on ${has}`);
    const isDark = Number(/\d+/.exec(ground)[0]) < 128;
    must(isDark === name.includes('dark'), ground);
    if (process.env.SHOTS) await sleep(Number(process.env.SHOTS_WAIT ?? 0));
    await shoot(other, name);
    await other.context().close();
  });
}

// ---- a server that goes and comes ----

await promise('a server that is gone is told, and found again', async () => {
  server.kill();
  await server.ended;
  await shows(page, '#trouble', 'cannot be reached');
  await shoot(page, 'gone');
  server = await startServer();
  await isLive(page);
  must(!await page.locator('#trouble').isVisible(), 'there is still trouble');
});
await page.context().close();

// ---- eddy console ----

const reader = await startConsole();
const [entry] = addresses(reader);
const base = new URL('/', entry).href;

await promise('without its address nothing is passed on', async () => {
  for (const path of ['v1/status', 'v1/live', 'v1/ps?sort=age'])
    must((await fetch(base + path)).status === 401, path);
  must((await fetch(`${base}enter/${'0'.repeat(32)}`)).status === 403,
    'any address will do');
  const answer = await fetch(`${base}v1/reload`, {method: 'POST', body: '{}'});
  must(answer.status === 401, 'it takes changes');
});

await promise('its address leads to the page, live', async () => {
  const mine = await open(entry);
  await isLive(mine);
  await shows(mine, '#program', 'shop');
  await shows(mine, '#slowest', '/reports');
  await mine.getByRole('button', {name: /^\/reports/}).click();
  await shows(mine, '#stack', 'shop/reports.c:64');
  must(await mine.evaluate(() => document.cookie) === '', 'scripts see it');
  must(await mine.locator('#do-reload').isDisabled(), 'it allows changes');
  await mine.context().close();
});

await promise('which works once; then there is another', async () => {
  must((await fetch(entry)).status === 403, 'it works again');
  await until('another address', () => addresses(reader).length === 2);
  must(addresses(reader)[1] !== entry, 'the same');
});

// As a program that has the cookie.
async function cookieOf(program) {
  const answer = await fetch(addresses(program).at(-1), {redirect: 'manual'});
  const cookie = answer.headers.get('set-cookie');
  must(/HttpOnly; SameSite=Strict/.test(cookie), cookie);
  return [cookie.split(';')[0], answer.headers.get('location')];
}

await promise('it is read-only', async () => {
  const [cookie] = await cookieOf(reader);
  const answer = await fetch(`${base}v1/reload`,
    {method: 'POST', body: '{}', headers: {Cookie: cookie}});
  must(answer.status === 403, `status ${answer.status}`);
  must((await answer.json()).error.includes('read-only'), 'no reason');
  must(!server.said.includes('reload'), 'the server was told');
});

await promise('only what is of the API is passed on', async () => {
  const [cookie] = await cookieOf(reader);
  const status = async path => (await fetch(base + path,
    {headers: {Cookie: cookie}})).status;
  must(await status('v1/status') === 200, 'the status');
  must(await status('metrics') === 404, 'metrics');
  must(await status(`v1/stack/${'x'.repeat(1000)}`) === 414, 'a long one');
});

const writer = await startConsole('--write');

await promise('--write takes changes, with its own token', async () => {
  const mine = await open(addresses(writer)[0]);
  await isLive(mine);
  must(!mine.url().includes('#'), mine.url());
  await shows(mine, '#wanted', '2'); // what one more is more than
  await mine.locator('#do-more').click();
  await told('scale {"workers":3}');
  const [cookie] = await cookieOf(writer);
  for (const Authorization of [undefined, `Bearer ${'0'.repeat(32)}`]) {
    const answer = await fetch(new URL('/v1/reload', mine.url()), {
      method: 'POST', body: '{}',
      headers: {Cookie: cookie, ...Authorization && {Authorization}}});
    must(answer.status === 401, `${Authorization} will do`);
  }
  await mine.context().close();
});

// The status of the answer to a WebSocket that a page of `origin` opens.
const handshake = (address, cookie, origin) => new Promise((done, failed) => {
  const request = get(new URL('/v1/live', address), {headers: {
    Cookie: cookie, Origin: origin, Connection: 'Upgrade',
    Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='}});
  request.on('response', answer => done(answer.resume().statusCode));
  request.on('upgrade', (answer, open) => {
    open.destroy();
    done(answer.statusCode);
  });
  request.on('error', failed);
});

await promise('a page of another place cannot look on', async () => {
  const [cookie] = await cookieOf(writer);
  const address = addresses(writer)[0], {origin} = new URL(address);
  const statuses = [await handshake(address, cookie, origin),
    await handshake(address, cookie, 'http://127.0.0.1:1'),
    await handshake(address, 'a=b', origin)];
  must(statuses.join() === '101,403,401', statuses.join());
});

for (const program of [reader, writer]) {
  await promise('eddy console ends well', async () => {
    program.kill('SIGTERM');
    must(await program.ended === 0, 'another status');
  });
}
server.kill();
await promise('the server ends', () => server.ended);
await finish();
