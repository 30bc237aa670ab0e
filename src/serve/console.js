/*
 * console.js - the console: figures of a running server as they come, a message
 * a second, and, with a token, what it is told.
 *
 * Texts of requests are whatever clients made up: they become text, never
 * markup. The token is kept for this tab only, and sent in a header.
 */
'use strict';

// Seconds a chart shows, and between two marks: as long as there is something
// to be seen.
const SPANS = [[60, 15], [120, 30], [300, 60]];
const SPAN_MAX = SPANS.at(-1)[0];
const RETRY_MAX = 5000; // ms between two attempts to connect
const EVENTS_MAX = 20;  // loops that stood still, as far as they are shown
const STATUS_EVERY = 3000;
const TOKEN = 'eddy-console-token';

const api = path => new URL(`../v1/${path}`, location).href;
const $ = id => document.getElementById(id);

// ---- texts ----

const round = (n, digits) => n.toLocaleString('en-US',
  {minimumFractionDigits: digits, maximumFractionDigits: digits});

// Three digits, or all of those before the point.
function rate(n) {
  if (!Number.isFinite(n)) return '–';
  return round(n, n >= 99.95 || Number.isInteger(n) ? 0 : n >= 9.995 ? 1 : 2);
}

function latency(s) {
  if (!(s > 0)) return '–';
  const digits = n => round(n, n < 9.995 ? 2 : n < 99.95 ? 1 : 0);
  if (s < 0.0009995) return `${round(s * 1e6, 0)} µs`;
  return s < 0.9995 ? `${digits(s * 1e3)} ms` : `${digits(s)} s`;
}

function age(s) {
  if (!Number.isFinite(s)) return '–';
  const two = n => String(Math.floor(n)).padStart(2, '0');
  if (s < 0.9995) return `${round(Math.max(s, 0) * 1000, 0)} ms`;
  if (s < 59.95) return `${round(s, 1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${two(s / 60 % 60)}m`;
  return `${Math.floor(s / 86400)}d ${two(s / 3600 % 24)}h`;
}

function size(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; bytes >= 999.95 && unit < 4; unit++) bytes /= 1000;
  return Number.isFinite(bytes) ? `${round(bytes, unit ? 1 : 0)} ${units[unit]}`
    : '–';
}

const percent = share => Number.isFinite(share) ? `${round(100 * share, 0)} %`
  : '–';
const list = value => Array.isArray(value) ? value : [];
const text = value => value === null || value === undefined ? '' : String(value);

// Signs that turn the direction of writing, or have no width, would let a URL
// look like another.
const plain = value => text(value).replace(
  /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
  '\ufffd');

function make(name, content, className) {
  const element = document.createElement(name);
  if (content !== undefined) element.textContent = plain(content);
  if (className) element.className = className;
  return element;
}

// ---- charts ----

// The round number of steps above a value, one that reads well.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].map(n => n * power).find(n => n >= value * 0.9999);
}

// Four steps, none below the least that its labels can tell apart.
const linear = least => ({
  range: max => [0, roundUp(Math.max(max * 1.05 / 4, least)) * 4],
  ticks: ([, max]) => [0, 1, 2, 3, 4].map(i => max * i / 4),
  place: (value, [, max]) => value / max,
});

// Latencies differ by powers of ten, and so do quantiles of one.
const logarithmic = {
  range: (max, min) => {
    if (!(max > 0)) return [1e-4, 1];
    const low = 10 ** Math.floor(Math.log10(Math.max(min, 1e-6)));
    return [low, Math.max(10 ** Math.ceil(Math.log10(max)), low * 10)];
  },
  ticks: ([low, high]) => {
    const ticks = [];
    for (let t = low; t <= high * 1.001; t *= 10) ticks.push(t);
    return ticks;
  },
  place: (value, [low, high]) => value > low
    ? Math.log(value / low) / Math.log(high / low) : 0,
};

/*
 * One chart: series of values by time. `stacked` series stand on each other.
 * Under the pointer, or moved to by the arrow keys, is a line whose values the
 * legend shows; else it shows the last ones.
 */
class Chart {
  constructor(id, {series = [], scale = linear(0.25), format = rate, stacked}) {
    this.figure = $(id);
    Object.assign(this, {series, scale, format, stacked});
    this.points = []; // {at, values: Map of a series' name to its value}
    this.cursor = null;
    this.canvas = make('canvas');
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'img');
    this.legend = make('ul', undefined, 'legend');
    this.figure.append(this.canvas, this.legend);
    this.canvas.addEventListener('pointermove', event => this.point(event));
    this.canvas.addEventListener('pointerleave', () => this.moveTo(null));
    this.canvas.addEventListener('blur', () => this.moveTo(null));
    this.canvas.addEventListener('keydown', event => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  add(at, values) {
    this.points.push({at, values});
    while (this.points[0].at < at - SPAN_MAX - 2) {
      this.points.shift();
      if (this.cursor) this.cursor--;
    }
    this.draw();
  }

  // Series that come and go, such as workers.
  setSeries(series) {
    const names = all => all.map(one => one.name).join();
    if (names(series) === names(this.series)) return;
    this.series = series;
    this.rows = null;
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const {left, width} = this.plot ?? {};
    if (!width || !this.points.length) return;
    const at = this.end - this.span * (1 - (event.clientX - box.left - left) / width);
    let best = 0;
    this.points.forEach((p, i) => {
      if (Math.abs(p.at - at) < Math.abs(this.points[best].at - at)) best = i;
    });
    this.moveTo(best);
  }

  key(event) {
    const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30}
      [event.key];
    if (event.key === 'Escape') this.moveTo(null);
    if (!step || !this.points.length) return;
    event.preventDefault();
    const last = this.points.length - 1;
    this.moveTo(Math.max(0, Math.min(last, (this.cursor ?? last) + step)));
  }

  moveTo(cursor) {
    this.cursor = cursor;
    this.draw();
  }

  highest() {
    let max = 0, min = Infinity;
    for (const {values} of this.points) {
      let sum = 0;
      for (const {name} of this.series) {
        const value = values.get(name) ?? 0;
        sum += value;
        if (!this.stacked) max = Math.max(max, value);
        if (value > 0) min = Math.min(min, value);
      }
      if (this.stacked) max = Math.max(max, sum);
    }
    return [max, min];
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const {clientWidth: width, clientHeight: height} = this.canvas;
    if (!width || !height) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const pen = this.canvas.getContext('2d');
    pen.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    this.colour = name => style.getPropertyValue(name);
    pen.font = '11px system-ui, sans-serif';
    this.range = this.scale.range(...this.highest());
    this.end = this.points.at(-1)?.at ?? 0;
    const since = this.end - (this.points[0]?.at ?? this.end);
    [this.span, this.mark] = SPANS.find(([span]) => since <= span) ??
      SPANS.at(-1);
    this.drawGrid(pen, width, height);
    if (this.stacked) this.drawStacked(pen);
    else this.series.forEach(one => this.drawLine(pen, one));
    this.drawCursor(pen);
    this.drawLegend();
  }

  drawGrid(pen, width, height) {
    const ticks = this.scale.ticks(this.range);
    const labels = ticks.map(t =>
      t ? this.format(t).replace(/\.0+(?= )/, '') : '0');
    const left = Math.max(...labels.map(l => pen.measureText(l).width)) + 8;
    this.plot = {left, top: 8, width: width - left - 4, height: height - 28};
    const {top} = this.plot;
    pen.lineWidth = 1;
    pen.textBaseline = 'middle';
    pen.textAlign = 'right';
    ticks.forEach((tick, i) => {
      const y = Math.round(this.y(tick)) + 0.5;
      pen.strokeStyle = this.colour('--line');
      pen.beginPath();
      pen.moveTo(left, y);
      pen.lineTo(width - 4, y);
      pen.stroke();
      pen.fillStyle = this.colour('--soft');
      pen.fillText(labels[i], left - 6, y);
    });
    pen.textAlign = 'center';
    for (let ago = this.mark; ago < this.span; ago += this.mark)
      pen.fillText(ago % 60 ? `−${ago} s` : `−${ago / 60} min`,
        this.x(this.end - ago), top + this.plot.height + 12);
  }

  x(at) {
    return this.plot.left + this.plot.width * (1 - (this.end - at) / this.span);
  }

  y(value) {
    return this.plot.top +
      this.plot.height * (1 - this.scale.place(value, this.range));
  }

  clip(pen, draw) {
    const {left, top, width, height} = this.plot;
    pen.save();
    pen.beginPath();
    pen.rect(left, top - 2, width + 2, height + 4);
    pen.clip();
    draw();
    pen.restore();
  }

  // Runs of points without a hole between them.
  runs() {
    const runs = [];
    this.points.forEach((point, i) => {
      if (!i || point.at - this.points[i - 1].at > 5) runs.push([]);
      runs.at(-1).push(point);
    });
    return runs;
  }

  drawLine(pen, {name, colour}) {
    pen.strokeStyle = this.colour(colour);
    pen.lineWidth = 1.8;
    pen.lineJoin = 'round';
    this.clip(pen, () => {
      for (const run of this.runs()) {
        pen.beginPath();
        run.filter(point => point.values.has(name)).forEach(point =>
          pen.lineTo(this.x(point.at), this.y(point.values.get(name))));
        pen.stroke();
      }
    });
  }

  drawStacked(pen) {
    this.clip(pen, () => this.runs().forEach(run => {
      let below = run.map(() => 0);
      for (const {name, colour} of this.series) {
        const above = run.map((p, i) => below[i] + (p.values.get(name) ?? 0));
        pen.beginPath();
        run.forEach((p, i) => pen.lineTo(this.x(p.at), this.y(above[i])));
        for (let i = run.length - 1; i >= 0; i--)
          pen.lineTo(this.x(run[i].at), this.y(below[i]));
        pen.closePath();
        pen.fillStyle = this.colour(colour);
        pen.fill();
        below = above;
      }
    }));
  }

  drawCursor(pen) {
    const point = this.points[this.cursor ?? -1];
    if (!point) return;
    const x = Math.round(this.x(point.at)) + 0.5;
    pen.strokeStyle = this.colour('--ink');
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, this.plot.top);
    pen.lineTo(x, this.plot.top + this.plot.height);
    pen.stroke();
  }

  drawLegend() {
    const point = this.points[this.cursor ?? this.points.length - 1];
    if (!this.rows) {
      this.rows = this.series.map(({name, colour}) => {
        const row = make('li'), mark = make('i'), value = make('b');
        mark.style.background = `var(${colour})`;
        row.append(mark, make('span', name), value);
        return {name, value, row};
      });
      this.legend.replaceChildren(...this.rows.map(({row}) => row));
    }
    const told = this.rows.map(({name, value}) => {
      const number = point?.values.get(name);
      value.textContent = number === undefined ? '–' : this.format(number);
      return `${name} ${value.textContent}`;
    });
    const when = this.cursor === null || !point ? ''
      : `, ${age(this.end - point.at)} ago`;
    this.canvas.setAttribute('aria-label',
      `${this.figure.querySelector('figcaption').textContent}${when}: ` +
      told.join(', '));
  }
}

const charts = {
  rate: new Chart('chart-rate', {stacked: true, series: [
    {name: '1xx', colour: '--s1'}, {name: '2xx', colour: '--s2'},
    {name: '3xx', colour: '--s3'}, {name: '4xx', colour: '--s4'},
    {name: '5xx', colour: '--s5'}]}),
  latency: new Chart('chart-latency', {scale: logarithmic, format: latency,
    series: [{name: 'p50', colour: '--c0'}, {name: 'p90', colour: '--c1'},
      {name: 'p99', colour: '--c2'}]}),
  load: new Chart('chart-load', {scale: linear(1), series: [
    {name: 'in flight', colour: '--c0'}, {name: 'in line', colour: '--c2'}]}),
  cpu: new Chart('chart-cpu', {scale: linear(0.01), format: percent}),
};

function chart(live) {
  const at = live.now_s, quantiles = live.latency ?? {};
  charts.rate.add(at, new Map(Object.entries(live.by_class_per_s ?? {})));
  charts.latency.add(at, new Map(['p50', 'p90', 'p99']
    .filter(name => quantiles[`${name}_s`] > 0)
    .map(name => [name, quantiles[`${name}_s`]])));
  charts.load.add(at, new Map([['in flight', live.in_flight],
    ['in line', live.queued]]));
  const workers = list(live.workers).map(w => [`${w.slot}: ${w.pid}`, w.cpu]);
  charts.cpu.setSeries(workers.map(([name], i) =>
    ({name, colour: `--c${i % 8}`})));
  charts.cpu.add(at, new Map(workers));
}

// ---- tables ----

// Fills a table anew but keeps the rows that are there, so that the focus stays
// where it was.
function fill(body, rows, none, columns) {
  if (!rows.length) {
    const cell = make('td', none, 'none');
    cell.colSpan = columns;
    const row = make('tr');
    row.append(cell);
    body.replaceChildren(row);
    return;
  }
  const old = new Map([...body.children].map(row => [row.dataset.key, row]));
  const kept = rows.map(({key, cells, act}) => {
    let row = old.get(key);
    if (!row) {
      row = make('tr');
      row.dataset.key = key;
      row.append(...cells.map(([, className]) => make('td', '', className)));
      if (act) makeButton(row, act);
    }
    cells.forEach(([content, className], i) => {
      const cell = row.children[i];
      cell.className = className ?? '';
      const place = cell.querySelector('button') ?? cell;
      const shown = plain(content);
      if (place.textContent !== shown) {
        place.textContent = shown;
        cell.title = shown;
      }
    });
    return row;
  });
  kept.forEach((row, i) => {
    if (body.children[i] !== row) body.insertBefore(row, body.children[i]);
  });
  while (body.children.length > kept.length) body.lastChild.remove();
}

function makeButton(row, act) {
  const button = make('button');
  button.type = 'button';
  button.addEventListener('click', act);
  row.querySelector('.target').append(button);
}

function showWorkers(workers) {
  fill($('workers'), workers.map(w => ({
    key: `${w.slot}-${w.pid}`,
    cells: [
      [w.slot], [w.pid, 'extra'], [w.state, text(w.state)],
      [rate(w.requests_per_s), 'right'], [percent(w.cpu), 'right'],
      [size(w.memory_bytes), 'right extra'], [rate(w.in_flight), 'right extra'],
      [rate(w.open), 'right extra'], [latency(w.latency?.p99_s), 'right'],
      [rate(w.errors_5xx), 'right extra'], [age(w.age_s), 'right extra'],
      [rate(w.blocked), 'right extra']],
  })), 'no worker', 12);
}

function showSlowest(requests) {
  fill($('slowest'), requests.map(r => ({
    key: text(r.id),
    act: () => showStack(r.id, `${text(r.method)} ${text(r.target)}`),
    cells: [
      [age(r.age_s), 'right'],
      [r.deadline_s === null ? '–' : age(r.deadline_s), 'right extra'],
      [r.slot, 'extra'], [r.state, 'extra'], [r.method],
      [r.target, 'target'], [r.waits_for || '–', 'waits']],
  })), 'no request in flight', 7);
}

function showBlocked(events) {
  const place = $('blocked');
  for (const event of events) {
    place.querySelector('.none')?.remove();
    const when = typeof event.time === 'number'
      ? new Date(1000 * event.time) : new Date();
    const item = make('li', `worker ${text(event.pid)} ${text(event.text)}`);
    item.prepend(make('time', when.toLocaleTimeString('en-GB')));
    place.prepend(item);
  }
  while (place.children.length > EVENTS_MAX) place.lastChild.remove();
}

function showNow(live) {
  const failed = live.by_class_per_s?.['5xx'] ?? 0;
  $('now-rate').textContent = rate(live.requests_per_s);
  $('now-p50').textContent = latency(live.latency?.p50_s);
  $('now-p99').textContent = latency(live.latency?.p99_s);
  $('now-running').textContent = rate(live.in_flight);
  $('now-queued').textContent = rate(live.queued);
  $('now-cpu').textContent = percent(live.cpu);
  $('now-failed').textContent = rate(failed);
  $('now-failed').parentNode.classList.toggle('bad', failed > 0);
  $('now-queued').parentNode.classList.toggle('warn', live.queued > 0);
}

function show(live) {
  showNow(live);
  chart(live);
  showWorkers(list(live.workers));
  showSlowest(list(live.slowest));
  showBlocked(list(live.blocked));
}

// ---- stacks ----

let stackOf = null;

function describe(fiber) {
  const about = make('dl');
  const members = {fiber: fiber.fiber, 'started at': fiber.place,
    state: fiber.state, 'waits for': fiber.waits_for};
  for (const [name, value] of Object.entries(members))
    if (value) about.append(make('dt', name), make('dd', value));
  const frames = list(fiber.frames).map((frame, i) => {
    const where = frame.file ? `${frame.file}:${frame.line}` : text(frame.object);
    return plain(`#${i}  ${text(frame.function) || '?'}  ${where}`);
  });
  const pre = make('pre');
  pre.textContent = frames.join('\n');
  return [about, pre];
}

async function showStack(id, title) {
  stackOf = [id, title];
  $('stack-title').textContent = plain(title);
  const body = $('stack-body');
  body.replaceChildren(make('p', 'looking'));
  if (!$('stack').open) $('stack').showModal();
  const {answer, error} = await ask(`stack/${encodeURIComponent(id)}`);
  if (error) {
    body.replaceChildren(make('p', error));
    return;
  }
  body.replaceChildren(...describe(answer));
  list(answer.children).forEach(child =>
    body.append(make('h3', 'has started'), ...describe(child)));
}

// ---- asking and telling ----

let token = sessionStorage.getItem(TOKEN) ?? '';

// {answer}, or {error, status} with words for people.
async function ask(path, body) {
  const options = {headers: {}, cache: 'no-store', credentials: 'same-origin'};
  if (token) options.headers.Authorization = `Bearer ${token}`;
  if (body) {
    options.method = 'POST';
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  try {
    const response = await fetch(api(path), options);
    const answer = await response.json().catch(() => null);
    if (response.ok && answer) return {answer};
    return {status: response.status, error: plain(answer?.error ??
      `the server answered ${response.status}`)};
  } catch {
    return {status: 0, error: 'the server cannot be reached'};
  }
}

function lock(given, why) {
  token = given;
  if (token) sessionStorage.setItem(TOKEN, token);
  else sessionStorage.removeItem(TOKEN);
  $('controls').disabled = !token;
  $('token').value = '';
  $('unlock-button').textContent = token ? 'Lock' : 'Unlock';
  $('token').hidden = Boolean(token);
  document.querySelector('label[for=token]').hidden = Boolean(token);
  $('lock-state').textContent = why ?? (token
    ? 'Changes are possible from this tab.'
    : 'Read-only: changes need the server\'s token.');
}

async function tell(path, body) {
  const outcome = $('outcome');
  outcome.textContent = '…';
  const {answer, error, status} = await ask(path, body);
  if (status === 401 || status === 403)
    lock('', 'Read-only: the server did not take that token.');
  outcome.textContent = error ?? (plain(answer.text) || 'done');
  refreshStatus();
}

// Resolves to whether people want it.
function consent(question) {
  $('ask-text').textContent = question;
  $('ask').returnValue = '';
  $('ask').showModal();
  return new Promise(done => $('ask').addEventListener('close',
    () => done($('ask').returnValue === 'yes'), {once: true}));
}

async function tellWithConsent(question, path, body) {
  if (await consent(question)) tell(path, body);
}

let wanted = NaN;

const scale = by => {
  if (wanted + by >= 1) tell('scale', {workers: wanted + by});
};

const acts = {
  'do-reload': () => tellWithConsent(
    'Start all workers anew, with new code and settings?',
    'reload', {chain: false}),
  'do-chain': () => tellWithConsent(
    'Start the workers anew, one after the other?', 'reload', {chain: true}),
  'do-drain': () => tellWithConsent(
    'Answer what is in flight, and take no more requests?', 'drain', {}),
  'do-resume': () => tell('resume', {}),
  'do-more': () => scale(1),
  'do-fewer': () => scale(-1),
  'ask-no': () => $('ask').close('no'),
  'ask-yes': () => $('ask').close('yes'),
  'stack-close': () => $('stack').close(),
  'stack-again': () => showStack(...stackOf),
};
for (const [id, act] of Object.entries(acts))
  $(id).addEventListener('click', act);
$('level').addEventListener('change',
  () => tell('log-level', {level: $('level').value}));
$('unlock').addEventListener('submit', event => {
  event.preventDefault();
  lock(token ? '' : $('token').value.trim());
});

// ---- the state ----

async function refreshStatus() {
  const {answer, error, status} = await ask('status');
  if (error) return {error, status};
  const program = plain(text(answer.program).split('/').pop());
  $('program').textContent = program || 'Eddy console';
  document.title = `${program} – Eddy console`;
  $('state').textContent = plain(answer.state);
  $('state').dataset.state = text(answer.state);
  $('about').textContent = plain(`up ${age(answer.uptime_s)}, ` +
    `${answer.workers_ready} of ${answer.workers_wanted} workers, generation ` +
    `${answer.generation}, pid ${answer.pid}`);
  wanted = answer.workers_wanted;
  $('wanted').textContent = text(wanted);
  if (document.activeElement !== $('level'))
    $('level').value = text(answer.log_level);
  return {};
}

// ---- live ----

let pause = 250;

function setLink(state, words) {
  $('link').dataset.link = state;
  $('link').textContent = words;
}

function trouble(words) {
  $('trouble').hidden = !words;
  $('trouble').textContent = words ?? '';
}

// Why there is no connection, which a WebSocket does not tell.
async function explain() {
  const {error, status} = await refreshStatus();
  if (status === 401)
    trouble(`${error} Open the address that the command printed last.`);
  else if (error)
    trouble(`${error}; trying again`);
  setLink('gone', 'not connected');
}

function connect() {
  const socket = new WebSocket(api('live').replace(/^http/, 'ws'));
  socket.addEventListener('open', () => {
    pause = 250;
    trouble();
    setLink('live', 'live');
    refreshStatus();
  });
  socket.addEventListener('message', event => {
    try {
      show(JSON.parse(event.data));
    } catch (error) {
      console.error(error);
    }
  });
  socket.addEventListener('close', () => {
    explain();
    setTimeout(connect, pause);
    pause = Math.min(2 * pause, RETRY_MAX);
  });
}

// `eddy console --write` puts the token behind the '#', where no server and no
// log sees it.
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!given) return;
  history.replaceState(null, '', location.pathname);
  token = given;
}

takeToken();
lock(token);
connect();
setInterval(() => {
  if ($('link').dataset.link === 'live') refreshStatus();
}, STATUS_EVERY);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change',
  () => Object.values(charts).forEach(one => one.draw()));
