/*
 * feed.mjs - see feed.sh.
 *
 * The source is the replay of a feed, whose messages are numbered without
 * holes: what a page has seen is whole if each number is the one before and
 * one.
 */
import {createServer} from 'node:http';
import {connect} from 'node:net';
import {finish, must, open, promise, Server, sleep, until} from './browser.mjs';

const RATE = 20;

// ---- what a page has seen ----

// Collects the ids of messages in the order in which they are shown.
function collect(page) {
  return page.evaluate(() => {
    window.seen = [];
    const note = rows => rows.filter(row => row.dataset?.id)
      .forEach(row => window.seen.push(Number(row.dataset.id)));
    const wall = document.getElementById('wall');
    note([...wall.children].reverse());
    // What is put in at once stands newest first.
    new MutationObserver(changes => changes.forEach(change =>
      note([...change.addedNodes].reverse()))).observe(wall, {childList: true});
  });
}

const seen = page => page.evaluate(() => window.seen);
const rows = page => page.locator('#wall > li').count();
const texts = page => page.locator('#wall > li').allTextContents();
const state = page => page.locator('#state').getAttribute('data-state');

const isWhole = ids => ids.every((id, i) => !i || id === ids[i - 1] + 1);

function mustBeWhole(ids, who) {
  const i = ids.findIndex((id, n) => n && id !== ids[n - 1] + 1);
  must(i < 0, `${who}: ${ids[i]} comes behind ${ids[i - 1]}`);
}

// Waits until a page has seen so many more messages.
async function goesOn(page, more = RATE) {
  const last = (await seen(page)).at(-1) ?? 0;
  await until(`${more} more messages`,
    async () => ((await seen(page)).at(-1) ?? 0) >= last + more);
}

const live = page => until('the page is live',
  async () => await state(page) === 'open');

// ---- two pages ----

const source = await Server.start('feed', '--rate', String(RATE));
const feed = await Server.start('feed', '--source',
  `${source.url}/replay/events`, '--keep', 'kept.jsonl');

const socket = await open(feed.url, {mayBreak: true});
const events = await open(`${feed.url}/?by=events`, {mayBreak: true});
const pages = [socket, events];
for (const page of pages) {
  await live(page);
  await collect(page);
}

await promise('two pages see the same, each by its own way', async () => {
  await Promise.all(pages.map(page => goesOn(page)));
  const [one, other] = await Promise.all(pages.map(seen));
  mustBeWhole(one, 'by WebSocket');
  mustBeWhole(other, 'as events');
  const both = one.filter(id => other.includes(id));
  must(both.length > RATE, `only ${both.length} messages in common`);
  const text = page => page.locator(`#wall > li[data-id="${both.at(-1)}"]`)
    .textContent();
  must(await text(socket) === await text(events), 'their texts differ');
});

await promise('a page that comes late sees what was before', async () => {
  const late = await open(feed.url);
  await until('old messages', async () => await rows(late) >= 60);
  await late.context().close();
});

await promise('how things are is shown', async () => {
  await until('two viewers', async () =>
    await socket.locator('#viewers').textContent() === '2');
  must(await socket.locator('#source').textContent() === 'connected',
    'the source is not connected');
  must(Number(await socket.locator('#rate').textContent()) > RATE / 2,
    'the rate is wrong');
});

// ---- words ----

const about = word => new RegExp(`(^|[^a-z])${word}`, 'i');

for (const page of pages) {
  const how = page === socket ? 'by WebSocket' : 'as events';
  await promise(`only messages with a word are shown, ${how}`, async () => {
    let opened = 0;
    page.on('websocket', () => opened++);
    await page.locator('#word').fill('harbour');
    await until('a choice of messages', async () => {
      const shown = await texts(page);
      return shown.length > 3 && shown.every(text => about('harbour').test(text));
    });
    const before = (await seen(page)).length;
    await until('new ones', async () => (await seen(page)).length > before);
    must((await texts(page)).every(text => about('harbour').test(text)),
      'another message came');
    must(await page.locator('#wall mark').count() > 3, 'the word is not marked');
    await page.keyboard.press('Escape');
    await until('all messages', async () =>
      (await texts(page)).some(text => !about('harbour').test(text)));
    must(!opened, 'it connected anew');
    await page.evaluate(() => { window.seen = []; });
    await goesOn(page);
  });
}

await promise('words that nobody says leave the wall empty', async () => {
  await socket.locator('#word').fill('xyzzy "quoted" \\');
  await until('nothing', async () => await rows(socket) === 0);
  await until('it says so', async () => /xyzzy/.test(
    await socket.locator('#empty-text').textContent()));
  await socket.keyboard.press('Escape');
  await until('all again', async () => await rows(socket) > 20);
});

// ---- keys, pausing, the other way ----

await promise('keys lead to words and to a pause', async () => {
  await socket.locator('body').click({position: {x: 2, y: 2}});
  await socket.keyboard.press('/');
  must(await socket.evaluate(() => document.activeElement.id === 'word'),
    'the slash leads nowhere');
  await socket.keyboard.press('Escape');
  await socket.keyboard.press('p');
  must(await state(socket) === 'paused', 'p does not pause');
  await sleep(300);
  const before = (await seen(socket)).length;
  await sleep(1000);
  must((await seen(socket)).length === before, 'a paused page goes on');
  await socket.keyboard.press('p');
  await goesOn(socket, 1);
});

await promise('a pause of less than a page loses nothing', async () => {
  await socket.evaluate(() => { window.seen = []; });
  await goesOn(socket);
  await socket.locator('#pause').click();
  await sleep(2000);
  await socket.locator('#pause').click();
  await goesOn(socket);
  mustBeWhole(await seen(socket), 'after the pause');
});

await promise('changing the way loses nothing', async () => {
  await events.evaluate(() => { window.seen = []; });
  await goesOn(events);
  await events.getByText('WebSocket', {exact: true}).click();
  await goesOn(events);
  await events.getByText('Events', {exact: true}).click();
  await goesOn(events);
  mustBeWhole(await seen(events), 'on both ways');
});

await promise('the page does not grow', async () => {
  must(await rows(socket) <= 150, `${await rows(socket)} rows`);
});

// ---- starting anew ----

async function survives(what, server, signal, away) {
  await promise(`${what}: pages come back and have missed nothing`, async () => {
    for (const page of pages)
      await page.evaluate(() => { window.seen = []; });
    await Promise.all(pages.map(page => goesOn(page)));
    const status = await server.end(signal);
    must(signal !== 'SIGTERM' || status === 0, `exit status ${status}`);
    await away();
    await server.start();
    await Promise.all(pages.map(live));
    await Promise.all(pages.map(page => goesOn(page, 3 * RATE)));
    mustBeWhole(await seen(socket), 'by WebSocket');
    mustBeWhole(await seen(events), 'as events');
  });
}

await survives('the feed is restarted', feed, 'SIGTERM', async () => {
  await until('the page says when it is back', async () =>
    /Back in \d/.test(await socket.locator('#state-text').textContent()));
});
await survives('the feed is killed', feed, 'SIGKILL', () => sleep(1000));
await survives('the source is killed', source, 'SIGKILL', async () => {
  await until('pages say that the source is away', async () =>
    /The source is away/.test(await socket.locator('#notice').textContent()));
});

// The feed knows less than the pages then, and sends them what it has.
await promise('pages that are back before the source see nothing twice',
  async () => {
    for (const page of pages)
      await page.evaluate(() => { window.seen = []; });
    await Promise.all(pages.map(page => goesOn(page)));
    await source.end('SIGKILL');
    await feed.end('SIGKILL');
    await feed.start();
    await Promise.all(pages.map(live));
    await source.start();
    await Promise.all(pages.map(page => goesOn(page, 3 * RATE)));
    mustBeWhole(await seen(socket), 'by WebSocket');
    mustBeWhole(await seen(events), 'as events');
  });

await promise('a notice is gone when its reason is', () =>
  until('no notice', () => socket.locator('#notice').isHidden()));

// ---- a page that stands still ----

await promise('a frozen page harms nobody, and catches up', async () => {
  const protocol = await events.context().newCDPSession(events);
  await events.evaluate(() => { window.seen = []; });
  await goesOn(events);
  await protocol.send('Page.setWebLifecycleState', {state: 'frozen'});
  await goesOn(socket, 3 * RATE);
  await protocol.send('Page.setWebLifecycleState', {state: 'active'});
  await live(events);
  await goesOn(events, 2 * RATE);
  mustBeWhole(await seen(events), 'after the frost');
});

// A peer that asks for the stream and then reads nothing at all.
function stall(server, path, fields) {
  const peer = connect(Number(new URL(server.url).port), '127.0.0.1');
  peer.on('error', () => {}); // it is cut off in the end
  peer.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`);
  peer.pause();
  return peer;
}

const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

await promise('peers that read nothing harm nobody, and cost little',
  async () => {
    const busy = await Server.start('feed', '--rate', '4000');
    const reader = await open(`${busy.url}/?word=tortoise`);
    await live(reader);
    const viewers = async () =>
      Number(await reader.locator('#viewers').textContent());
    const before = busy.memory();
    const stalled = [];
    for (let i = 0; i < 10; i++)
      stalled.push(stall(busy, '/ws', upgrade), stall(busy, '/events', ''));
    await until('all are there', async () => await viewers() === 21);
    let most = 0;
    // Streams of events are cut off later, when nothing was taken for long.
    await until('the WebSockets were sent away', async () => {
      most = Math.max(most, busy.memory());
      return await viewers() <= 11;
    });
    if (process.env.VERBOSE) console.log(`${most - before >> 10} KiB for 20`);
    must(most - before < 96 << 20, `${most - before >> 20} MiB for 20 peers`);
    const received = await reader.locator('#received').textContent();
    await until('more messages', async () =>
      await reader.locator('#received').textContent() !== received);
    stalled.forEach(peer => peer.destroy());
    await reader.context().close();
  });

// ---- other sources ----

await promise('lines of JSON are a source, and resumed', async () => {
  const lines = await Server.start('feed', '--source',
    `${source.url}/replay/lines`);
  const page = await open(lines.url);
  await live(page);
  await collect(page);
  await goesOn(page);
  await source.end('SIGKILL');
  await source.start();
  await goesOn(page, 2 * RATE);
  mustBeWhole(await seen(page), 'lines');
  await page.context().close();
});

// A wall of such lines, and a page that shows so many messages of them.
async function wallOf(lines, count) {
  const server = createServer((request, response) => {
    response.writeHead(200, {'Content-Type': 'application/x-ndjson'});
    response.write(lines.map(line =>
      `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  const wall = await Server.start('feed', '--source',
    `http://127.0.0.1:${server.address().port}/`);
  const page = await open(wall.url);
  await until('all of them', async () => await rows(page) === count);
  server.closeAllConnections();
  server.close();
  return page;
}

await promise('what a message says is text and nothing else', async () => {
  const evil = '<img src=x onerror="document.title=\'broken\'"><script>1</script>';
  const page = await wallOf(['just a text, no JSON', {user: evil, topic: evil,
    text: evil, place: '"}]}', link: 'javascript:alert(1)'}], 2);
  const [said, plain] = await texts(page);
  must(said.includes('"}]}') && said.split(evil).length === 4, said);
  must(plain.includes('just a text, no JSON'), plain);
  must(await page.locator('#wall img, #wall script, #wall a').count() === 0,
    'it became a part of the page');
  must(await page.title() !== 'broken', 'it ran');
  await page.context().close();
});

await promise('the parts of a message are found by the names in use', async () => {
  const page = await wallOf([
    {meta: {domain: 'canary'}, title: 'only shows that the way is open'},
    {meta: {uri: 'https://pt.example/Lisboa', domain: 'pt.example'}, type: 'edit',
      title: 'Lisboa', user: 'Ada', comment: 'a comma', server_name: 'pt.example',
      timestamp: 1700000000},
    {author: {name: 'Bob'}, body: 'by another source'},
  ], 2);
  const [other, wiki] = await texts(page);
  must(/^A?Adapt\.example.*Lisboaa comma$/.test(wiki), wiki);
  must(other.includes('Bob') && other.includes('by another source'), other);
  must(await page.locator('#wall a').getAttribute('href') ===
    'https://pt.example/Lisboa', 'the link is wrong');
  await page.context().close();
});

must(isWhole([1, 2]) && !isWhole([1, 3]), 'isWhole() is broken');
await finish();
