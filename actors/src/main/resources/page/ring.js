// The ring as it works: asked each second, drawn anew where something changed.
import { headers } from './chat.js';

const $ = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const SHOWS_LOST_FOR = 15_000;
const MOST_EVENTS = 50;
const RADIUS = 112;
// What the ring said in the last seconds, oldest first: a node hears of it now and then.
const RATES_OVER = 4_000;
let history = [];
let before = null;
let lost = [];

function svg(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Where a device is, and its name there: pekko://ringworld@10.0.0.1:25520/user/device-0#7. */
function place(device) {
  const match = /^pekko:\/\/[^@/]*@?([^/]*)\/.*\/([^/#]+)/.exec(device);
  return match ? { node: match[1] || 'this process', name: match[2] } : { node: 'this process', name: 'device-0' };
}

/** All models' ranks by device; one device may have ranks of several models. */
function ranksOf(state) {
  return state.models.flatMap((model, at) => model.ranks.map((rank, number) => ({
    ...rank, ...place(rank.device), number, id: model.name + at + rank.device, model: model.name,
  })));
}

const total = (state, key) => state.models.reduce((sum, model) => sum + model[key], 0);
const rate = (now, key) => {
  const then = history[0] ?? now;
  return now.at > then.at ? Math.max(0, total(now.state, key) - total(then.state, key)) / (now.at - then.at) * 1000 : 0;
};
const shown = number => number >= 100 ? Math.round(number).toLocaleString('en') : number.toFixed(1);

// ---- what happened

function tell(sentence, bad) {
  const item = document.createElement('li');
  item.textContent = new Date().toLocaleTimeString('en-GB') + '  ' + sentence;
  if (bad) item.className = 'bad';
  $('events').prepend(item);
  while ($('events').children.length > MOST_EVENTS) $('events').lastChild.remove();
}

function compare(now) {
  if (!before) return;
  const had = ranksOf(before.state);
  const has = ranksOf(now.state);
  for (const rank of had.filter(one => !has.some(other => other.id === one.id))) {
    if (!now.state.models.some(model => model.name === rank.model && model.ranks.length > 0)) continue;
    lost.push({ ...rank, until: now.at + SHOWS_LOST_FOR });
    tell(`${rank.name} of ${rank.node} is lost`, true);
  }
  for (const rank of has.filter(one => !had.some(other => other.id === one.id))) {
    if (had.length > 0) tell(`${rank.name} of ${rank.node} takes part`);
  }
  for (const model of now.state.models) {
    const old = before.state.models.find(other => other.name === model.name);
    if (old && old.epoch > 0 && model.epoch > old.epoch) {
      const pages = model.recovered_pages - old.recovered_pages;
      const tokens = model.recomputed_tokens - old.recomputed_tokens;
      tell(`${model.name} goes on in epoch ${model.epoch}: ${pages} pages found, ${tokens} tokens read again`);
    }
  }
  lost = lost.filter(rank => rank.until > now.at && !has.some(other => other.id === rank.id));
}

// ---- the picture

function gauge(x, y, radius, from, share, className) {
  const around = 2 * Math.PI * radius;
  return svg('circle', {
    cx: x, cy: y, r: radius, class: 'gauge ' + className,
    'stroke-dasharray': `${around * share} ${around}`,
    transform: `rotate(${-90 + 360 * from} ${x} ${y})`,
  });
}

function draw(ranks, now) {
  const picture = $('picture');
  const parts = [picture.querySelector('title')];
  const all = [...ranks, ...lost];
  const size = all.length > 1 ? Math.min(34, RADIUS * Math.sin(Math.PI / all.length) * .8) : 34;
  parts.push(svg('circle', { cx: 160, cy: 160, r: RADIUS, class: 'track' }));
  all.forEach((rank, i) => {
    const angle = 2 * Math.PI * i / all.length - Math.PI / 2;
    const x = 160 + RADIUS * Math.cos(angle);
    const y = 160 + RADIUS * Math.sin(angle);
    const group = svg('g', { class: rank.until ? 'lost' : '' });
    const pages = Math.max(1, rank.pages);
    group.append(
      svg('circle', { cx: x, cy: y, r: size, class: 'rank' }),
      gauge(x, y, size - 4, 0, 1, 'free'),
      gauge(x, y, size - 4, 0, rank.used / pages, 'used'),
      gauge(x, y, size - 4, rank.used / pages, rank.kept / pages, 'kept'),
      svg('text', { x, y }, rank.until ? '✕' : rank.number));
    parts.push(group);
  });
  const reads = rate(now, 'read') > 0 && rate(now, 'written') === 0;
  parts.push(
    svg('text', { x: 160, y: 150, class: 'middle' }, shown(rate(now, reads ? 'read' : 'written'))),
    svg('text', { x: 160, y: 176, class: 'under' }, `tokens ${reads ? 'read' : 'written'} a second`));
  picture.replaceChildren(...parts);
}

function row(rank) {
  const made = document.createElement('tr');
  if (rank.until) made.className = 'lost';
  const pages = `${(rank.used + rank.kept).toLocaleString('en')} of ${rank.pages.toLocaleString('en')}`;
  for (const text of [rank.number, `${rank.name}, ${rank.node}`, rank.until ? 'lost' : pages]) {
    const cell = document.createElement('td');
    cell.textContent = text;
    made.append(cell);
  }
  return made;
}

function show(now) {
  const ranks = ranksOf(now.state);
  const sum = key => ranks.reduce((all, rank) => all + rank[key], 0);
  const nodes = new Set(ranks.map(rank => rank.node)).size;
  const figures = {
    'Epoch': now.state.models.map(model => model.epoch).join(', ') || '–',
    'Nodes, ranks': `${nodes}, ${ranks.length}`,
    'Texts at work, waiting': `${total(now.state, 'running')}, ${total(now.state, 'waiting')}`,
    'Pages in use, kept': `${sum('used').toLocaleString('en')}, ${sum('kept').toLocaleString('en')} of ${sum('pages').toLocaleString('en')}`,
    'Tokens read a second': shown(rate(now, 'read')),
    'Tokens written a second': shown(rate(now, 'written')),
    'Pages recovered, tokens read again': `${total(now.state, 'recovered_pages')}, ${total(now.state, 'recomputed_tokens')}`,
  };
  $('figures').replaceChildren(...Object.entries(figures).flatMap(([name, value]) => {
    const term = document.createElement('dt');
    const figure = document.createElement('dd');
    term.textContent = name;
    figure.textContent = value;
    return [term, figure];
  }));
  $('brief').textContent =
    `${ranks.length} rank${ranks.length === 1 ? '' : 's'}, ${shown(rate(now, 'written'))} tokens/s`;
  $('ranks').replaceChildren(...[...ranks, ...lost].map(row));
  draw(ranks, now);
}

async function look() {
  try {
    const response = await fetch('/ring', { headers: headers() });
    if (response.ok) {
      const now = { state: await response.json(), at: performance.now() };
      compare(now);
      const late = history.filter(one => now.at - one.at <= RATES_OVER);
      history = [...(late.length ? late : history.slice(-1)), now];
      show(now);
      before = now;
    }
  } catch (e) {
    $('brief').textContent = 'the server does not answer';
  }
  setTimeout(look, document.hidden ? 10_000 : 1_000);
}

if (matchMedia('(max-width: 860px)').matches) document.querySelector('#ring details').open = false;
look();
