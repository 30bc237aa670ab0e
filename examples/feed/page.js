/*
 * page.js - the wall, as a browser shows it.
 *
 * Messages come by WebSocket or as server-sent events; both ways lead to
 * heard(). What has come waits in `pending` for the next frame, so that a frame
 * costs one insertion however many messages there were. Neither the waiting nor
 * the shown ever grow beyond ROWS.
 *
 * Nothing of a message is ever HTML: texts are text nodes, and links lead to
 * the web or nowhere.
 */
'use strict';
(() => {
  const ROWS = 150;          // messages on the page; older ones leave it
  const KNOWN = 1000;        // ids: as many as a server keeps, which may send
                             // again what has left the page
  const CALM = 6;            // so many at once still slide in
  const BREATH = 200;        // ms between two insertions: what flickers is not
                             // read
  const SILENCE = 10e3;      // ms; the server says something every second
  const PAUSE = 800;         // ms before the first attempt to come back
  const PAUSE_MAX = 20e3;
  const SETTLE = 250;        // ms without a key before words are sent
  const SECONDS = 60;        // of the curve
  const TOPS = 6;            // most frequent topics
  const TOPS_KNOWN = 300;    // that are counted at all
  const FADE = .97;          // of a count, each second

  const $ = id => document.getElementById(id);
  const wall = $('wall');
  const time = new Intl.DateTimeFormat(undefined,
    {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
  const number = new Intl.NumberFormat('en');

  const given = new URLSearchParams(location.search);
  let by = given.get('by') === 'events' ? 'events' : 'websocket';
  let words = given.get('word') ?? '';

  // ---- the line to the server ----

  let line = null;           // open, or being opened; has close()
  let lastId = '';           // what to go on behind
  let lastHeard = 0;
  let failures = 0;
  let backAt = 0;            // when it is tried again; 0: now is not then
  let fresh = true;          // the next messages begin the wall anew

  const address = (path, query) => {
    const url = new URL(path, location.href);
    url.search = new URLSearchParams(query);
    return url;
  };

  function byWebSocket(query) {
    const url = address('ws', query);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    const mine = {
      close() { socket.close(); },
      want(text) {
        if (socket.readyState !== WebSocket.OPEN) return false;
        socket.send(text);
        return true;
      },
    };
    socket.onmessage = event => {
      if (line !== mine) return;
      const heardNow = JSON.parse(event.data);
      heard(heardNow);
      // All that came before is here, also what the words held back.
      if (heardNow.status?.last) lastId = heardNow.status.last;
    };
    socket.onclose = () => { if (line === mine) lost(); };
    return mine;
  }

  function byEvents(query) {
    if (query.after) {
      query.lastEventId = query.after;
      delete query.after;
    }
    const source = new EventSource(address('events', query));
    let entered = false;
    const mine = {close() { source.close(); }, want() { return false; }};
    const on = (type, fn) => source.addEventListener(type, event => {
      if (line !== mine) return;
      if (event.lastEventId) lastId = event.lastEventId;
      fn(event);
      entered ||= type !== 'open'; // what comes first tells where it goes on
    });
    on('open', () => heard({start: query.lastEventId ? 'resumed' : 'new'}));
    on('message', event => heard(JSON.parse(event.data)));
    on('status', event => heard(JSON.parse(event.data)));
    on('gap', event => heard({gap: entered ? Number(event.data) || 0 : 'entered'}));
    on('error', lost);
    return mine;
  }

  function heard(what) {
    lastHeard = performance.now();
    if (what.say) return take(what);
    if (what.start) return begin(what.start);
    if (what.gap === 'entered') return begin('gap');
    if (!what.status) return addGap(what.gap);
    settle();
    showStatus(what.status);
  }

  function open() {
    line?.close();
    backAt = 0;
    lastHeard = performance.now();
    const query = {};
    if (words) query.word = words;
    if (lastId && !fresh) query.after = lastId;
    line = (by === 'events' ? byEvents : byWebSocket)(query);
    showState();
  }

  // Comes back later each time, and never at the same moment as all others.
  function lost() {
    line?.close();
    line = null;
    settle();
    const pause = Math.min(PAUSE * 2 ** failures++, PAUSE_MAX);
    backAt = performance.now() + pause * (.75 + Math.random() / 2);
    connected = false;
    showState();
  }

  setInterval(() => {
    const now = performance.now();
    if (backAt) {
      if (now >= backAt) open();
      else showState();
    } else if (now - lastHeard > SILENCE) {
      lost();
    }
  }, 200);

  // ---- messages ----

  let connected = false;
  let paused = false;
  let received = 0;
  let pending = [];          // oldest first, to be shown
  let waiting = 0;           // that came while nothing is shown, those left out
                             // included
  let frame = 0;             // one is asked for
  let drawn = 0;             // when the last one was
  const known = new Set();   // ids of what has come, the oldest first
  let doubtful = null;       // what a server sends that does not know how far we
                             // are: older than all here, until it is told apart

  function begin(how) {
    connected = true;
    failures = 0;
    if (how === 'new' || fresh) {
      fresh = false;
      clear();
    } else if (how === 'gap') {
      doubtful = [];
    }
    showState();
  }

  function clear() {
    pending = [];
    waiting = 0;
    known.clear();
    doubtful = null;
    wall.replaceChildren();
    showWaiting();
  }

  function take(message) {
    lastId = message.id;
    if (known.has(message.id)) {
      doubtful = null; // what came before this one left the page long ago
    } else if (doubtful) {
      doubtful.push(message);
      if (doubtful.length > KNOWN) doubtful.shift();
    } else {
      accept(message);
    }
  }

  function accept(message) {
    received++;
    count(message);
    enqueue(message);
  }

  // All that the server had is here, and nothing of it was known: it is newer,
  // and there was more.
  function settle() {
    const messages = doubtful;
    doubtful = null;
    if (!messages) return;
    addGap(0);
    messages.forEach(accept);
  }

  function enqueue(item) {
    if (item.id) known.add(item.id);
    if (known.size > KNOWN) known.delete(known.values().next().value);
    pending.push(item);
    waiting++;
    if (pending.length > ROWS) pending.shift();
    schedule();
  }

  function schedule() {
    if (frame) return;
    const wait = drawn + BREATH - performance.now();
    frame = wait > 0 ? setTimeout(() => requestAnimationFrame(draw), wait)
      : requestAnimationFrame(draw);
  }

  function addGap(lost) {
    const last = pending.at(-1) ?? wall.firstChild;
    if (last && !(last.gap ?? last.classList?.contains('gap')))
      enqueue({gap: lost ? `${number.format(lost)} messages are missing here`
        : 'Some messages are missing here'});
  }

  // Who reads further down is not to have the text move away.
  const reading = () => wall.getBoundingClientRect().top < -40;

  function draw() {
    frame = 0;
    if (paused || reading()) return showWaiting();
    drawn = performance.now();
    const calm = pending.length <= CALM;
    const rows = document.createDocumentFragment();
    for (let i = pending.length - 1; i >= 0; i--)
      rows.append(row(pending[i], calm));
    pending = [];
    waiting = 0;
    wall.prepend(rows);
    while (wall.childElementCount > ROWS) wall.lastChild.remove();
    showWaiting();
  }

  // ---- one message ----

  function make(name, kind, text) {
    const element = document.createElement(name);
    element.className = kind;
    if (text) element.textContent = text;
    return element;
  }

  // A colour for a text, always the same.
  function hue(text) {
    let sum = 0;
    for (let i = 0; i < text.length; i++)
      sum = (sum * 37 + text.charCodeAt(i)) % 9973;
    return sum * 86 % 360;
  }

  function initials(name) {
    const parts = name.split(/[\s_-]+/).filter(Boolean);
    const first = parts.length > 1 ? [parts[0], parts.at(-1)] : parts;
    return first.map(part => Array.from(part)[0]).join('').toUpperCase();
  }

  let pattern = null;        // matches the words

  function setPattern() {
    const escaped = words.split(' ').filter(Boolean)
      .map(word => word.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'));
    // As the server does: by the beginnings of words.
    pattern = escaped.length
      ? new RegExp(`(?<![\\p{L}\\p{N}])(${escaped.join('|')})`, 'iu') : null;
  }

  // A text with the words in it marked.
  function addText(element, text) {
    if (!pattern) return element.append(text);
    text.split(pattern).forEach((piece, i) =>
      element.append(i % 2 ? make('mark', '', piece) : piece));
  }

  function topicOf(message, topic) {
    const link = /^https?:/.test(message.link ?? '');
    const element = make(link ? 'a' : 'span', 'topic');
    if (link) {
      element.href = message.link;
      element.rel = 'noopener noreferrer nofollow';
      element.target = '_blank';
    }
    element.style.setProperty('--hue', hue(topic));
    addText(element, topic);
    return element;
  }

  function row(message, calm) {
    const li = make('li', message.gap ? 'gap' : calm ? 'new' : '');
    if (message.gap) {
      li.textContent = message.gap;
      return li;
    }
    const [who, where, topic, text] = message.say;
    li.dataset.id = message.id;
    const face = make('span', 'face', initials(who || where || topic || '?'));
    face.style.setProperty('--hue', hue(topic || where || who));
    face.setAttribute('aria-hidden', 'true');
    const about = make('p', 'by');
    const name = make('b', '');
    addText(name, who || 'somebody');
    about.append(name);
    if (where) {
      const place = make('span', 'where');
      addText(place, where);
      about.append(place);
    }
    const when = make('time', '', time.format(message.at));
    about.append(when);
    const said = make('p', 'text');
    if (topic) said.append(topicOf(message, topic));
    addText(said, text);
    li.append(face, about, said);
    return li;
  }

  // ---- how things are ----

  function showState() {
    let state = 'connecting', text = 'Connecting';
    if (backAt) {
      state = 'waiting';
      text = `Back in ${Math.ceil((backAt - performance.now()) / 1000)} s`;
    } else if (connected) {
      state = paused ? 'paused' : 'open';
      text = paused ? 'Paused' : 'Live';
    }
    $('state').dataset.state = state;
    if ($('state-text').textContent !== text) $('state-text').textContent = text;
    $('now').hidden = !backAt;
  }

  function showWaiting() {
    const hidden = paused || reading() ? waiting : 0;
    const text = number.format(hidden);
    $('pause-text').textContent =
      paused ? hidden ? `Go on · ${text}` : 'Go on' : 'Pause';
    $('newer').hidden = paused || !hidden;
    $('newer').dataset.text = `↑ ${text} new`;
    $('newer').setAttribute('aria-label', `${text} new messages`);
    $('received').textContent = number.format(received);
    $('empty-text').textContent = words
      ? `Nothing with “${words}” yet` : 'Waiting for the first message';
  }

  const rates = [];

  function showStatus(status) {
    rates.push(status.rate);
    if (rates.length > SECONDS) rates.shift();
    const lately = rates.slice(-5);
    const mean = lately.reduce((sum, n) => sum + n, 0) / lately.length;
    $('rate').textContent =
      mean.toFixed(mean < 10 && mean % 1 ? 1 : 0);
    $('viewers').textContent = number.format(status.viewers);
    $('source').textContent = status.source;
    const bad = status.source === 'failing';
    $('source').classList.toggle('bad', bad);
    notice(bad ? `The source is away: ${status.why}. It is tried again.`
      : status.source === 'ended' ? 'The source has no more messages.' : '');
    drawSpark();
    showTops();
    showWaiting();
  }

  function notice(text) {
    if ($('notice').textContent !== text) $('notice').textContent = text;
    $('notice').hidden = !text;
  }

  // 300 by 64, the newest second on the right.
  function drawSpark() {
    const seconds = Math.max(rates.length, SECONDS / 3);
    const top = Math.max(...rates, 1) * 1.15;
    if (rates.length < 2) return;
    const points = rates.map((n, i) =>
      `${(300 * (i + seconds - rates.length) / (seconds - 1)).toFixed(1)} ` +
      `${(64 - 62 * n / top).toFixed(1)}`);
    const curve = 'M' + points.join('L');
    const start = points[0].split(' ')[0];
    $('spark').querySelector('.line').setAttribute('d', curve);
    $('spark').querySelector('.area')
      .setAttribute('d', `${curve}L300 64L${start} 64Z`);
  }

  // ---- what is talked about ----

  // Where a source has a topic of its own for each message, the place tells
  // more.
  const tallies = {Topics: new Map(), Places: new Map()};

  function count(message) {
    const [, where, topic] = message.say;
    for (const [tally, name] of
      [[tallies.Topics, topic], [tallies.Places, where]]) {
      if (name && (tally.has(name) || tally.size < TOPS_KNOWN))
        tally.set(name, (tally.get(name) ?? 0) + 1);
    }
  }

  function topsOf(tally) {
    let sum = 0;
    for (const [name, n] of tally) {
      sum += n;
      if (n * FADE < .3) tally.delete(name);
      else tally.set(name, n * FADE);
    }
    const tops = [...tally].sort((a, b) => b[1] - a[1]).slice(0, TOPS);
    return {tops, part: tops.reduce((n, top) => n + top[1], 0) / (sum || 1)};
  }

  function showTops() {
    const topics = topsOf(tallies.Topics), places = topsOf(tallies.Places);
    const title = topics.part >= places.part ? 'Topics' : 'Places';
    const {tops} = title === 'Topics' ? topics : places;
    const list = $('tops-list');
    $('tops').hidden = !tops.length;
    $('tops-title').textContent = title;
    while (list.childElementCount > tops.length) list.lastChild.remove();
    while (list.childElementCount < tops.length) list.append(topButton());
    tops.forEach(([name, n], i) => {
      const button = list.children[i].firstChild;
      button.style.setProperty('--hue', hue(name));
      button.style.setProperty('--part', n / tops[0][1]);
      button.firstChild.textContent = name;
      button.lastChild.textContent = Math.round(n);
    });
  }

  function topButton() {
    const item = make('li', ''), button = make('button', '');
    button.type = 'button';
    button.append(make('span', ''), make('span', ''));
    button.addEventListener('click', () => {
      const name = button.firstChild.textContent;
      $('word').value = words === name ? '' : name;
      choose();
    });
    item.append(button);
    return item;
  }

  // ---- what can be chosen ----

  function showChoice() {
    const query = new URLSearchParams();
    if (words) query.set('word', words);
    if (by === 'events') query.set('by', by);
    history.replaceState(null, '', query.size ? `?${query}` : location.pathname);
    const url = address('events', words ? {word: words} : {});
    $('curl').textContent = `curl -N '${url}'`;
  }

  function choose() {
    const text = $('word').value.trim().replace(/\s+/g, ' ');
    if (text === words) return;
    words = text;
    fresh = true;
    setPattern();
    showChoice();
    tallies.Topics.clear();
    tallies.Places.clear();
    if (!line?.want(words)) open();
  }

  function pause(wanted) {
    paused = wanted;
    $('pause').setAttribute('aria-pressed', String(paused));
    if (!paused) schedule();
    showState();
    showWaiting();
  }

  let settling;
  $('word').addEventListener('input', () => {
    clearTimeout(settling);
    settling = setTimeout(choose, SETTLE);
  });
  $('controls').addEventListener('submit', event => {
    event.preventDefault();
    clearTimeout(settling);
    choose();
  });
  $('controls').addEventListener('change', event => {
    if (event.target.name !== 'by') return;
    by = event.target.value;
    showChoice();
    open();
  });
  $('pause').addEventListener('click', () => pause(!paused));
  $('now').addEventListener('click', open);
  $('newer').addEventListener('click', () => scrollTo({top: 0}));
  addEventListener('scroll', () => {
    if (waiting) schedule();
  }, {passive: true});
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const writing = event.target === $('word');
    if (event.key === 'Escape' && (writing || words)) {
      $('word').value = '';
      $('word').blur();
      choose();
    } else if (event.key === '/' && !writing) {
      event.preventDefault();
      $('word').focus();
    } else if (event.key === 'p' && !writing) {
      pause(!paused);
    }
  });

  $('word').value = words;
  document.querySelector(`[name=by][value=${by}]`).checked = true;
  setPattern();
  showChoice();
  open();
})();
