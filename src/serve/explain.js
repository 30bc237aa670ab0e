// explain.js - loads the page again when there is something else to see.
'use strict';

const EVERY = 1000; // ms
let shown;

async function number() {
  const answer = await fetch('/.eddy/explain', {cache: 'no-store'});
  return answer.ok ? answer.text() : 'none'; // the app is there again
}

async function look() {
  try {
    const now = await number();
    shown ??= now;
    if (now !== shown || now === 'none') {
      location.reload();
      return;
    }
  } catch {
    // Between two servers there may be none.
  }
  setTimeout(look, EVERY);
}

look();
