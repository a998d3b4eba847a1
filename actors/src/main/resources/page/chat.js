// The chat: what was said is sent whole each time; the server finds what it has read before.
const $ = id => document.getElementById(id);
const messages = [];
let files = [];
let going = null;

export const headers = () => {
  const key = sessionStorage.getItem('key');
  return key ? { Authorization: 'Bearer ' + key } : {};
};

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function turn(who, text, className) {
  $('empty')?.remove();
  const made = element('div', 'turn ' + className, '');
  made.append(element('div', 'who', who), element('div', 'text', text));
  $('said').append(made);
  made.scrollIntoView({ block: 'end' });
  return made;
}

function fault(sentence) {
  turn('Ringworld', sentence, 'fault').setAttribute('role', 'alert');
}

// ---- models

async function listModels() {
  try {
    const response = await fetch('/v1/models', { headers: headers() });
    const json = await response.json();
    if (!response.ok) throw new Error(json.error.message);
    const before = $('model').value;
    $('model').replaceChildren(...json.data.map(model => new Option(model.id, model.id)));
    if (json.data.some(model => model.id === before)) $('model').value = before;
    if (json.data.length === 0) fault('No model is served at present.');
  } catch (e) {
    fault(e.message);
    if (e.message.includes('key')) {
      document.querySelector('#ask details').open = true;
      $('key').focus();
    }
  }
}

// ---- texts that go with a message

async function add(list) {
  for (const file of list) {
    const text = await file.text();
    if (text.includes('\u0000')) fault(file.name + ' is no text.');
    else files.push({ name: file.name, text });
  }
  showFiles();
}

function showFiles() {
  $('files').replaceChildren(...files.map(file => {
    const item = element('li', '', file.name + ', ' + file.text.length.toLocaleString('en') + ' characters');
    const remove = element('button', '', '×');
    remove.type = 'button';
    remove.setAttribute('aria-label', 'Leave out ' + file.name);
    remove.onclick = () => {
      files = files.filter(other => other !== file);
      showFiles();
      $('message').focus();
    };
    item.append(remove);
    return item;
  }));
}

// ---- a question and its answer

function request() {
  const system = $('system').value.trim();
  return {
    model: $('model').value,
    messages: [...(system ? [{ role: 'system', content: system }] : []), ...messages],
    temperature: Number($('temperature').value),
    max_tokens: Number($('most').value),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function reading(read, all) {
  $('progress').hidden = false;
  $('read').max = all;
  $('read').value = read;
  $('progressText').textContent =
    `Reading ${read.toLocaleString('en')} of ${all.toLocaleString('en')} tokens`;
}

/** Each line that the server sends, as it comes. */
async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    yield* parts;
  }
}

async function answer(shown, signal) {
  const text = shown.querySelector('.text');
  const response = await fetch('/v1/chat/completions', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers() },
    body: JSON.stringify(request()),
    signal,
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
  let usage = null;
  let first = 0;
  for await (const line of lines(response.body)) {
    const progress = /^: read (\d+) of (\d+)/.exec(line);
    if (progress) reading(Number(progress[1]), Number(progress[2]));
    if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
    const event = JSON.parse(line.slice('data: '.length));
    if (event.error) throw new Error(event.error.message);
    usage = event.usage ?? usage;
    const part = event.choices[0]?.delta?.content;
    if (part) {
      first ||= performance.now();
      $('progress').hidden = true;
      const follows = $('said').scrollHeight - $('said').scrollTop - $('said').clientHeight < 80;
      text.textContent += part;
      if (follows) $('said').scrollTop = $('said').scrollHeight;
    }
  }
  return { usage, seconds: (performance.now() - first) / 1000 };
}

function note({ usage, seconds }) {
  if (!usage) return '';
  const cached = usage.prompt_tokens_details.cached_tokens;
  const rate = usage.completion_tokens > 1 ? ((usage.completion_tokens - 1) / seconds).toFixed(1) : '–';
  return `${usage.prompt_tokens.toLocaleString('en')} tokens read (${cached.toLocaleString('en')} of them before), `
    + `${usage.completion_tokens} written, ${rate} tokens/s`;
}

async function send() {
  const own = $('message').value.trim();
  if (going || (!own && files.length === 0)) return;
  const with_ = files.map(file => file.name).join(', ');
  const shown = turn('You', own, 'user');
  if (with_) shown.querySelector('.text').before(element('div', 'with', 'with ' + with_));
  messages.push({ role: 'user', content: files.map(file => file.text + '\n\n').join('') + own });
  const sent = { own, files };
  files = [];
  showFiles();
  $('message').value = '';
  going = new AbortController();
  $('send').textContent = 'Stop';
  const said = turn($('model').value, '', 'assistant writing');
  try {
    const result = await answer(said, going.signal);
    said.append(element('div', 'note', note(result)));
    messages.push({ role: 'assistant', content: said.querySelector('.text').textContent.trim() });
  } catch (e) {
    const text = said.querySelector('.text').textContent.trim();
    if (e.name === 'AbortError' && text) {
      said.append(element('div', 'note', 'stopped'));
      messages.push({ role: 'assistant', content: text });
    } else {
      // It was never said.
      said.remove();
      messages.pop();
      shown.remove();
      $('message').value = sent.own;
      files = sent.files;
      showFiles();
      if (e.name !== 'AbortError') fault(e.message);
    }
  } finally {
    said.classList.remove('writing');
    going = null;
    $('send').textContent = 'Send';
    $('progress').hidden = true;
    $('message').focus();
  }
}

// ---- what people do

$('ask').onsubmit = event => {
  event.preventDefault();
  if (going) going.abort();
  else send();
};
$('message').onkeydown = event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
};
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && going) going.abort();
});
$('reset').onclick = () => {
  going?.abort();
  messages.length = 0;
  $('said').replaceChildren();
  $('message').focus();
};
$('file').onchange = async () => {
  await add($('file').files);
  $('file').value = '';
  $('message').focus();
};
$('key').onchange = () => {
  sessionStorage.setItem('key', $('key').value);
  listModels();
};
for (const kind of ['dragenter', 'dragover']) {
  document.addEventListener(kind, event => {
    event.preventDefault();
    document.body.classList.add('dropping');
  });
}
for (const kind of ['dragleave', 'drop']) {
  document.addEventListener(kind, () => document.body.classList.remove('dropping'));
}
document.addEventListener('drop', event => {
  event.preventDefault();
  add(event.dataTransfer.files);
});

listModels();
