/*
 * browser.mjs - what tests of pages share: Chromium by playwright-core, servers
 * that are started, ended and started again, and counting what holds.
 *
 * A test imports it, calls promise() for each thing that must hold, and ends
 * with finish(). Its environment: EDDY_BUILD, and PLAYWRIGHT, the path of the
 * module.
 */
import {spawn} from 'node:child_process';
import {createRequire} from 'node:module';
import {createServer} from 'node:net';
import {closeSync, existsSync, openSync, readFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';

export {sleep};

export const PATIENCE = 30e3;  // ms for anything that must come true

// ---- what holds ----

let passed = 0, failed = 0;

export async function promise(what, check) {
  const began = Date.now();
  try {
    await check();
    passed++;
    if (process.env.VERBOSE) console.log(`${Date.now() - began} ms: ${what}`);
  } catch (wrong) {
    failed++;
    console.log(`failed: ${what}\n${wrong?.stack ?? wrong}`);
  }
}

export function must(truth, what) {
  if (!truth) throw new Error(what);
}

// Calls a function until what it returns is true, and returns that.
export async function until(what, check) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await sleep(50);
  }
}

// ---- servers ----

const servers = [];

// A port that nobody has, below those that connections are given.
export async function freePort() {
  for (;;) {
    const port = 10240 + Math.floor(Math.random() * 22000);
    const free = await new Promise(done => {
      const probe = createServer();
      probe.once('error', () => done(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
    });
    if (free) return port;
  }
}

// A server of ours, on a port of its own that it keeps from start to start.
export class Server {
  constructor(name, port, args) {
    this.program = `${process.env.EDDY_BUILD}/examples/${name}`;
    this.name = `${name}-${port}`;
    // Alone: its memory is looked at, and it is killed without warning.
    this.args = ['--single', '--listen', `127.0.0.1:${port}`, ...args];
    this.url = `http://127.0.0.1:${port}`;
    this.log = `${this.name}.log`;
    this.child = null;
    servers.push(this);
  }

  static async start(name, ...args) {
    const server = new Server(name, await freePort(), args);
    await server.start();
    return server;
  }

  async start() {
    const log = openSync(this.log, 'a');
    // Memory is looked at: what was freed is not to count for long.
    const env = {...process.env, ASAN_OPTIONS:
      `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=4`};
    this.child = spawn(this.program, this.args,
      {env, stdio: ['ignore', log, log]});
    closeSync(log);
    this.ended = new Promise(done => this.child.on('exit',
      (code, signal) => done(signal ?? code)));
    await until(`${this.name} listens`, async () => {
      must(this.child.exitCode === null, readFileSync(this.log, 'utf8'));
      return fetch(this.url, {method: 'HEAD'}).catch(() => null);
    });
  }

  // Ends it; returns its exit status, or the signal that ended it.
  async end(signal = 'SIGTERM') {
    this.child.kill(signal);
    return this.ended;
  }

  // In bytes, what it has in memory.
  memory() {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
  }

  running() { return this.child?.exitCode === null && !this.child.signalCode; }
}

// ---- pages ----

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic',
  '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

let browser = null;
const complaints = [];

async function launch() {
  const {chromium} = createRequire(import.meta.url)(process.env.PLAYWRIGHT);
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser']
    .find(existsSync);
  return chromium.launch({executablePath, args: FLAGS});
}

// Opens a page in a profile of its own. What it says that is wrong, and what it
// asks of other hosts, counts as broken at the end; `mayBreak` allows for servers
// that are gone, `mayRefuse` for answers of 401 to 404, `mayFail` for 500.
export async function open(url, {mayBreak = false, mayRefuse = false,
  mayFail = false, ...options} = {}) {
  browser ??= await launch();
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const wrong = text => complaints.push(`${url}: ${text}`);
  page.on('pageerror', error => wrong(error.stack));
  page.on('console', message => {
    const isNetwork = /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|ERR_ABORTED|WebSocket/
      .test(message.text());
    const isRefusal = /status of 40[134]/.test(message.text());
    if (['error', 'warning'].includes(message.type()) &&
        !(mayBreak && isNetwork) && !(mayRefuse && isRefusal) &&
        !(mayFail && /status of 500/.test(message.text())))
      wrong(message.text());
  });
  page.on('request', request => {
    if (!/^(http|ws):\/\/127\.0\.0\.1:|^data:/.test(request.url()))
      wrong(`asks for ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

// ---- the end ----

export async function finish() {
  await promise('pages have nothing to complain of', () =>
    must(!complaints.length, complaints.join('\n')));
  await browser?.close();
  for (const server of servers) {
    if (server.running())
      await promise(`${server.name} ends well`, async () => {
        const status = await server.end();
        must(status === 0, `exit status ${status}`);
      });
    await promise(`${server.name} made no mistake`, () => {
      const wrong = readFileSync(server.log, 'utf8').split('\n')
        .filter(line => /ERROR|FATAL|Sanitizer|runtime error/.test(line));
      must(!wrong.length, wrong.join('\n'));
    });
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

// A test that breaks leaves no server behind.
process.on('exit', () => {
  for (const server of servers)
    if (server.running()) server.child.kill('SIGKILL');
});
