/*
 * demo_waterfall.js - what the pages share on which calls are drawn as bars,
 * /fanout and /wsgi: a chart for each way to make a page, whose bars grow while
 * calls are under way, and the form that starts a run.
 *
 *     const fall = waterfall({
 *       path: '/fanout',                   // whose events are drawn
 *       units: {n: '', ms: ' ms'},         // of the sliders, by their id
 *       shown: ['n', 'ms'],                // of them, in the command for curl
 *       plan: data => ({rows, scale, modes}),
 *       title: timing => 'Call 1: ...',    // of a bar
 *       end: runs => ...,                  // all is over
 *       starting: () => ...,               // or nothing
 *       stopped: 'Stopped: ...',
 *       events: {failed: data => ...},     // of this page alone
 *     });
 *     fall.start();
 *
 * A mode is the id of a section with a chart and a total.
 */
'use strict';
function waterfall(page) {
  const SVG = 'http://www.w3.org/2000/svg';
  const AXIS = 22;          // pixels at the foot of a chart
  const PITCH_MAX = 22;     // of a row, where there are few
  const SETTLE = 400;       // ms without a change before sliders run
  const $ = id => document.getElementById(id);
  const still = matchMedia('(prefers-reduced-motion: reduce)');

  let source = null;        // the run under way
  let runs = {};            // by mode
  let scale = 0;            // milliseconds across a chart
  let rows = 0;

  const format = ms => ms.toLocaleString('en', {
    maximumFractionDigits: ms < 10 ? 1 : 0});
  const percent = ms => `${(100 * ms / scale).toFixed(3)}%`;

  function element(name, attributes, parent) {
    const made = document.createElementNS(SVG, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    return parent.appendChild(made);
  }

  // A round step that gives about that many ticks.
  function tickStep(count) {
    const rough = scale / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map(f => f * power).find(s => s >= rough);
  }

  function drawAxis(run) {
    const step = tickStep(run.chart.clientWidth < 500 ? 4 : 8);
    run.axis.replaceChildren();
    for (let ms = 0; ms <= scale; ms += step) {
      const x = percent(ms);
      // The last one would stick out on the right.
      const anchor = ms === 0 ? 'start' : ms > .985 * scale ? 'end' : 'middle';
      element('line', {x1: x, x2: x, y1: 0, y2: run.foot, class: 'grid'}, run.axis);
      element('text', {x, y: run.height - 4, 'text-anchor': anchor,
        class: 'tick'}, run.axis).textContent =
        `${format(ms)}${ms ? '' : ' ms'}`;
    }
  }

  function place(run, bar) {
    const end = bar.end ?? Math.max(bar.start, run.clock());
    bar.rect.setAttribute('x', percent(bar.start));
    bar.rect.setAttribute('width', percent(Math.max(end - bar.start, 0)));
  }

  function rescale(ms) {
    scale = ms;
    for (const run of Object.values(runs)) {
      drawAxis(run);
      run.bars.forEach(bar => place(run, bar));
    }
  }

  function showTotal(run, ms) {
    run.total.textContent = format(ms);
    if (ms > scale) rescale(1.2 * ms);
  }

  function newRun(mode) {
    const section = $(mode);
    const chart = section.querySelector('.chart');
    chart.replaceChildren();
    chart.setAttribute('aria-label', 'Waterfall, running');
    const height = chart.getBoundingClientRect().height;
    const run = {
      mode, chart, height, foot: height - AXIS,
      total: section.querySelector('.total span'),
      axis: element('g', {}, chart), rows: element('g', {}, chart),
      bars: new Map(), zero: null, done: false,
      clock() { return this.zero === null ? 0 : performance.now() - this.zero; },
    };
    run.total.textContent = '0';
    return run;
  }

  // ---- what is told of a run ----

  function plan(data) {
    const planned = page.plan(data);
    rows = planned.rows;
    runs = Object.fromEntries(planned.modes.map(mode => [mode, newRun(mode)]));
    rescale(planned.scale);
    say('');
    if (!still.matches) requestAnimationFrame(tick);
  }

  function begin(data) {
    const run = runs[data.mode];
    const pitch = Math.min((run.foot - 4) / rows, PITCH_MAX);
    run.zero ??= performance.now() - data.start_ms;
    const rect = element('rect', {class: 'bar open',
      y: (data.call - 1) * pitch + pitch * .1, height: pitch * .8,
      rx: Math.min(2, pitch / 4), width: 0}, run.rows);
    const bar = {rect, start: data.start_ms};
    run.bars.set(data.call, bar);
    place(run, bar);
  }

  function finish(data) {
    const run = runs[data.mode];
    const timing = data.timing ?? data;
    const bar = run.bars.get(timing.call);
    if (!bar) return;
    bar.start = timing.start_ms;
    bar.end = timing.end_ms;
    bar.timing = timing;
    bar.rect.classList.remove('open');
    element('title', {}, bar.rect).textContent = page.title(timing);
    place(run, bar);
  }

  function runDone(data) {
    const run = runs[data.mode];
    run.done = true;
    run.took = data.total_ms;
    run.slowest = data.slowest_ms;
    showTotal(run, data.total_ms);
    run.chart.setAttribute('aria-label', `Waterfall of ${rows} calls, ` +
      `${format(data.total_ms)} milliseconds in all`);
  }

  function tick() {
    if (!source) return;
    for (const run of Object.values(runs)) {
      if (run.done || run.zero === null) continue;
      showTotal(run, run.clock());
      run.bars.forEach(bar => bar.end ?? place(run, bar));
    }
    requestAnimationFrame(tick);
  }

  // ---- a run ----

  function say(html, bad) {
    $('verdict').innerHTML = html;
    $('verdict').classList.toggle('bad', !!bad);
  }

  function stop() {
    source?.close();
    source = null;
    $('go').textContent = 'Run';
  }

  function fail(text) {
    stop();
    say(text, true);
  }

  function allDone() {
    stop();
    page.end(runs);
  }

  function start() {
    stop();
    page.starting?.();
    const query = new URLSearchParams(new FormData($('form')));
    source = new EventSource(`${page.path}?format=events&${query}`);
    const told = {plan, begin, call: finish, done: runDone, end: allDone,
      ...page.events};
    for (const name in told)
      source.addEventListener(name, e => told[name](JSON.parse(e.data)));
    source.onerror = () =>
      fail('No answer: is <code>eddy demo</code> still running?');
    $('go').textContent = 'Stop';
  }

  // ---- the form ----

  function showValues() {
    for (const name in page.units)
      $(`${name}-out`).textContent = $(name).value + page.units[name];
    const query = page.shown.map(name => `${name}=${$(name).value}`).join('&');
    $('curl').textContent = `curl '${location.origin}${page.path}?${query}'`;
  }

  const given = new URLSearchParams(location.search);
  for (const name in page.units) {
    if (given.has(name)) $(name).value = given.get(name);
    $(name).addEventListener('input', showValues);
  }
  let settling;
  $('form').addEventListener('change', () => {
    clearTimeout(settling);
    settling = setTimeout(start, SETTLE);
  });
  $('form').addEventListener('submit', event => {
    event.preventDefault();
    clearTimeout(settling);
    if (!source) return start();
    stop();
    say(page.stopped);
  });
  addEventListener('resize', () => { if (scale) rescale(scale); });
  showValues();

  return {$, element, fail, format, percent, say, start,
    get runs() { return runs; },
    get scale() { return scale; }};
}
