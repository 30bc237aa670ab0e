/*
 * chat_browser.mjs - see chat_browser.sh.
 */
import {finish, must, open, promise, Server, until} from './browser.mjs';

// ---- what people do and see ----

async function enter(server, name, room = 'lobby') {
  const page = await open(`${server.url}/?name=${name}#${room}`,
    {mayBreak: true});
  await connected(page);
  return page;
}

const connected = page => until('the page is connected', async () =>
  await page.locator('#state').textContent() === 'connected');

async function say(page, text) {
  await page.locator('#text').fill(text);
  await page.keyboard.press('Enter');
}

const heard = page => page.locator('#said .text').allTextContents();
const people = page => page.locator('#people li span:nth-child(2)')
  .allTextContents();

const hears = (page, text) => until(`"${text}" is heard`,
  async () => (await heard(page)).includes(text));

const sees = (page, ...names) => until(`${names} are there`, async () =>
  (await people(page)).join() === names.join());

// ---- one process ----

const chat = await Server.start('chat');
const ada = await enter(chat, 'Ada');
const bob = await enter(chat, 'Bob');

await promise('both see who is there', async () => {
  await sees(ada, 'Ada', 'Bob');
  await sees(bob, 'Ada', 'Bob');
});

await promise('what one says both hear, in order', async () => {
  for (const n of [1, 2, 3]) await say(ada, `from Ada, ${n}`);
  await hears(bob, 'from Ada, 3');
  await say(bob, 'from Bob');
  for (const page of [ada, bob]) {
    await hears(page, 'from Bob');
    must((await heard(page)).join('|') ===
      'from Ada, 1|from Ada, 2|from Ada, 3|from Bob', await heard(page));
  }
});

await promise('one\'s own is told from the others\'', async () => {
  must(await ada.locator('.said.mine').count() === 3, 'not three of her own');
  must(await bob.locator('.said.mine').count() === 1, 'not one of his own');
});

await promise('what is said is text and nothing else', async () => {
  const evil = '<img src=x onerror="document.title=\'broken\'">';
  await say(ada, evil);
  await hears(bob, evil);
  must(await bob.locator('#said img').count() === 0, 'it became a picture');
  must(await bob.title() !== 'broken', 'it ran');
});

await promise('who comes late reads what was said', async () => {
  const late = await enter(chat, 'Late');
  await hears(late, 'from Ada, 1');
  await sees(ada, 'Ada', 'Bob', 'Late');
  await late.context().close();
  await sees(ada, 'Ada', 'Bob');
});

await promise('rooms keep to themselves', async () => {
  const other = await enter(chat, 'Eve', 'elsewhere');
  await say(other, 'nobody hears this');
  await hears(other, 'nobody hears this');
  await say(ada, 'still here');
  await hears(bob, 'still here');
  must(!(await heard(bob)).includes('nobody hears this'), 'Bob heard it');
  must((await people(other)).join() === 'Eve', await people(other));
  await other.context().close();
});

await promise('after a restart both come back and talk on', async () => {
  must(await chat.end() === 0, 'it ended badly');
  await until('Ada sees that it is gone', async () =>
    await ada.locator('#state').textContent() !== 'connected');
  await chat.start();
  await Promise.all([ada, bob].map(connected));
  await sees(ada, 'Ada', 'Bob');
  await say(bob, 'welcome back');
  await hears(ada, 'welcome back');
});

// ---- two processes ----

if (process.env.REDIS)
  await promise('by way of Redis two processes are one chat', async () => {
    const one = await Server.start('chat', '--redis', process.env.REDIS);
    const two = await Server.start('chat', '--redis', process.env.REDIS);
    const ines = await enter(one, 'Ines'), noor = await enter(two, 'Noor');
    await sees(ines, 'Ines', 'Noor');
    await sees(noor, 'Ines', 'Noor');
    await say(ines, 'from one');
    await hears(noor, 'from one');
    await say(noor, 'from the other');
    await hears(ines, 'from the other');
    must((await heard(ines)).join('|') === 'from one|from the other',
      await heard(ines));
  });

await finish();
