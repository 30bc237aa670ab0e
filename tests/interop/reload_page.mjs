/*
 * reload_page.mjs - see reload_page.sh.
 */
import {readFileSync, writeFileSync} from 'node:fs';
import {finish, must, open, promise, until} from './browser.mjs';

const good = readFileSync('app.c', 'utf8');
const broken = good.replace('static int text', 'static oops text');

await until('the app answers', () => fetch(process.env.URL).catch(() => null));
writeFileSync('app.c', broken);
await until('it does not build', async () =>
  (await fetch(process.env.URL)).status === 500);

const page = await open(process.env.URL, {mayFail: true, mayRefuse: true,
  mayBreak: true, viewport: {width: 390, height: 700}});

await promise('it says what is wrong, as text', async () => {
  must(/'make' failed/.test(await page.locator('h1').textContent()), 'no h1');
  must(/<b>mended<\/b>/.test(await page.locator('pre').textContent()),
    'the command is not shown');
  must(await page.locator('pre b').count() === 0, 'there is markup');
});

await promise('a phone scrolls the text, not the page', async () => {
  const wide = await page.evaluate(() => document.body.scrollWidth);
  must(wide <= 390, `${wide} px`);
});

await promise('another fault is shown by itself', async () => {
  writeFileSync('app.c', broken.replace('oops', 'alas'));
  await until('it names the other', async () =>
    /alas/.test(await page.locator('pre').textContent().catch(() => '')));
});

await promise('the app is shown by itself when it is mended', async () => {
  if (process.env.PICTURES)
    await page.screenshot({path: `${process.env.PICTURES}/reload.png`});
  writeFileSync('app.c', good);
  await until('it is there', async () =>
    /mended/.test(await page.locator('body').textContent().catch(() => '')));
});

await finish();
