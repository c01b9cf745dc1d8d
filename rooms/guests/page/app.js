// The page: what is shown, and what its buttons do.

import { Guest } from "./call.js";
import { Meeting } from "./meeting.js";
import { TEXTS } from "./texts.js";

const $ = (id) => document.getElementById(id);
const TOAST = 5000;
/** For how long news of the floor is waited for: a browser lets a screen be chosen within 5 s of a click. */
const FLOOR_LIMIT = 3000;
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

let language = "en";
let guest = null;
let meeting = null;
let state = null;
let muted = false;
let wantsCamera = false;
let sharing = false;
/** Whether a screen is being chosen, and who waits to hear of the floor. */
let choosing = false;
let floorTold = null;
let unread = 0;
let leaving = false;
let stage = "";
let meter = null;
let toastTimer = 0;
let host = "";

function text(key, values = {}) {
  const found = TEXTS[language][key] || TEXTS.en[key] || key;
  return found.replace(/\{(\w+)\}/g, (_, name) => values[name] || "");
}

function translate() {
  document.documentElement.lang = language;
  document.title = state && state.name ? state.name : text("title");
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
  }
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.placeholder = text(element.dataset.placeholder);
  }
  $("language").textContent = text("other-language");
  $("language").lang = text("other");
  if (state) show(state);
  if (stage) notice(stage);
}

function kept(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(name) || "";
    localStorage.setItem(name, value);
  } catch (error) {
    // A browser that keeps nothing is fine.
  }
  return "";
}

function toast(words) {
  $("toast").textContent = words;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, TOAST);
}

function notice(key) {
  stage = key;
  $("notice").hidden = !key;
  $("notice").textContent = key ? text(key) : "";
}

/** A button with a symbol and a word, on or off. */
function set(button, on, symbol, key) {
  button.setAttribute("aria-pressed", String(on));
  button.querySelector("use").setAttribute("href", `#i-${symbol}`);
  button.querySelector("span").dataset.text = key;
  button.querySelector("span").textContent = text(key);
}

/** An element with a class, a text and children. */
function make(name, kind, words, ...children) {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  if (words) element.textContent = words;
  element.append(...children.filter(Boolean));
  return element;
}

function symbol(name, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  }
  return svg;
}

function initials(name) {
  // Of a telephone the last two digits.
  if (/^\+?[0-9]{3,}$/.test(name.trim())) return name.trim().slice(-2);
  const words = name.trim().split(/\s+/).filter(Boolean);
  if (!words.length) return "?";
  const first = Array.from(words[0])[0];
  const last = words.length > 1 ? Array.from(words[words.length - 1])[0] : "";
  return (first + last).toUpperCase();
}

/** One of eight colours, the same for the same id. */
function colour(id) {
  let sum = 0;
  for (const c of id) sum = (sum * 31 + c.charCodeAt(0)) % 8;
  return `c${sum}`;
}

function nameOf(person) {
  return person.name || text("nameless");
}

// ---- Before the meeting

async function listMicrophones() {
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  const list = $("microphones");
  const before = list.value;
  const found = devices.filter((device) => device.kind === "audioinput" && device.deviceId !== "default");
  list.replaceChildren(list.options[0], ...found.filter((device) => device.deviceId).map((device, at) => {
    const option = make("option", "", device.label || `${text("microphone")} ${at + 1}`);
    option.value = device.deviceId;
    return option;
  }));
  if ([...list.options].some((option) => option.value === before)) list.value = before;
}

/** Shows how loud the microphone is. */
function watch(stream) {
  if (meter) meter.close();
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let running = true;
  const look = () => {
    if (!running) return;
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const decibels = 10 * Math.log10(power + 1e-10);
    const level = Math.max(0, Math.min(1, (decibels + 60) / 50));
    $("self-level").parentElement.dataset.level = String(Math.round(level * 10));
    const own = document.querySelector("[data-own] .face");
    if (own) own.classList.toggle("speaks", !muted && level > 0.35);
    requestAnimationFrame(look);
  };
  look();
  meter = { close: () => { running = false; context.close(); } };
}

function preview(stream) {
  const video = $("self");
  video.srcObject = stream;
  video.hidden = !stream;
  $("self-face").hidden = Boolean(stream);
}

function fresh() {
  return new Guest(host, {
    state: (word) => {
      if (word === "no-media") notice(word);
    },
    sound: (stream) => { $("sound").srcObject = stream; },
    picture: (content, stream) => showPicture(content, stream),
    sharing: (on) => {
      sharing = on;
      showShare(ownPerson());
      if (!on && meeting) meeting.ask("show", { on: false });
    },
    ended: (why) => ended(why),
  });
}

async function join(event) {
  event.preventDefault();
  const id = $("id").value.replace(/[^0-9]/g, "");
  const name = $("name").value.trim();
  kept("name", name);
  $("join-button").disabled = true;
  $("join-message").textContent = text("joining");
  leaving = false;
  guest = fresh();
  const mine = guest;
  try {
    const camera = $("with-camera").checked;
    watch(await guest.prepare({ microphone: $("microphones").value, camera }));
    wantsCamera = Boolean(guest.camera);
    listMicrophones();
  } catch (error) {
    $("join-message").textContent = text("no-microphone", { why: error.name || String(error) });
    $("join-button").disabled = false;
    return;
  }
  try {
    await guest.join(name, id, $("passcode").value.trim());
  } catch (error) {
    // What has ended the call has said so, but where it never began.
    if (mine.call && mine.call.over) return;
    mine.leave();
    ended({ status: 0, reason: "", never: true });
    return;
  }
  enter(mine);
}

function enter(mine) {
  $("join").hidden = true;
  $("room").hidden = false;
  $("controls").hidden = false;
  $("join-message").textContent = "";
  muted = false;
  set($("mic"), false, "mic", "mute");
  set($("camera"), wantsCamera, wantsCamera ? "camera" : "camera-off", "camera");
  ownPicture();
  if (wantsCamera && !mine.hasPictures) toast(text("no-pictures"));
  meeting = new Meeting(mine.key, {
    stage: (word) => {
      if (word === "no-call") return;
      notice(word);
      if (word === "welcome") open("keypad", true);
    },
    meeting: (now) => show(now),
    levels: (levels, speaker) => showLevels(levels, speaker),
    chat: (message) => showText(message),
  });
  $("mic").focus();
}

function ended(why) {
  if (meeting) meeting.close();
  if (meter) meter.close();
  meter = meeting = state = null;
  sharing = choosing = wantsCamera = false;
  showShare(null);
  notice("");
  for (const id of ["room", "controls", "keypad", "menu", "side", "pictures"]) $(id).hidden = true;
  $("join").hidden = false;
  $("join-button").disabled = false;
  $("meeting-name").textContent = text("title");
  for (const badge of ["badge-locked", "badge-recording"]) $(badge).hidden = true;
  for (const list of ["tiles", "roster", "texts"]) $(list).replaceChildren();
  $("sound").srcObject = null;
  preview(null);
  let words = text("ended");
  if (leaving) words = text("left");
  else if (why.never) words = text("unreachable");
  else if (why.status === 0) words = text("lost");
  else if (why.status === 503) words = text("busy");
  else if (why.status >= 300) words = text("refused", { why: `${why.status} ${why.reason}` });
  $("join-message").textContent = words;
}

// ---- In the meeting

function show(now) {
  const before = state;
  state = now;
  document.title = now.name || text("title");
  $("meeting-name").textContent = now.name || text("title");
  $("badge-locked").hidden = !now.locked;
  $("badge-recording").hidden = !now.recording;
  $("count").textContent = String(now.people.filter((person) => person.in).length);
  $("moderate").hidden = !now.moderator;
  $("menu").querySelector("[data-do=lock]").dataset.text = now.locked ? "unlock" : "lock";
  $("menu").querySelector("[data-do=record]").dataset.text = now.recording ? "stop-recording" : "record";
  for (const entry of $("menu").querySelectorAll("[data-text]")) entry.textContent = text(entry.dataset.text);
  const waiting = now.people.some((person) => !person.in);
  $("menu").querySelector("[data-do=admit-all]").hidden = !waiting;
  if (!now.moderator) $("menu").hidden = true;
  const own = now.people.find((person) => person.id === now.you);
  if (own) takeOwn(own, before);
  notice(floorNotice(own) || (now.people.length === 1 ? "alone" : ""));
  showPicture("slides", $("slides").srcObject);
  if (before) tellNews(before, now);
  showTiles(now);
  showRoster(now);
}

function takeOwn(own, before) {
  if (own.muted !== muted) {
    if (own.muted && before) toast(text("you-are-muted"));
    muted = own.muted;
    guest.mute(muted);
  }
  set($("mic"), muted, muted ? "mic-off" : "mic", muted ? "unmute" : "mute");
  set($("hand"), own.hand, "hand", own.hand ? "lower-hand" : "hand");
  if (floorTold && (own.shows || own.asks)) floorTold(own.shows);
  if (sharing && !own.shows) loseFloor();
  const old = before && before.people.find((person) => person.id === own.id);
  if (old && old.asks && !own.asks && !own.shows) toast(text("share-refused"));
  showShare(own);
}

function ownPerson() {
  return state && state.people.find((person) => person.id === state.you);
}

function showShare(own) {
  const asks = Boolean(own && own.asks) && !sharing;
  set($("share"), sharing || asks, "screen", sharing ? "sharing" : asks ? "stop-asking" : "share");
}

/** What there is to say of the floor: that it is asked for, or that it is there to be used. */
function floorNotice(own) {
  if (!own || sharing || choosing) return "";
  if (own.shows) return "may-share";
  return own.asks ? "asks-moderator" : "";
}

/** Somebody else has taken the floor, or a moderator has taken it away: nobody sees the screen any more. */
function loseFloor() {
  sharing = false;
  toast(text("floor-lost"));
  guest.unshare();
}

/** What somebody ought to notice. */
function tellNews(before, now) {
  const known = new Map(before.people.map((person) => [person.id, person]));
  for (const person of now.people) {
    const old = known.get(person.id);
    const name = nameOf(person);
    if (!person.in && (!old || old.in)) toast(text("knock", { name }));
    if (person.asks && !(old && old.asks) && now.moderator && person.id !== now.you) {
      toast(text("asks-to-share", { name }));
    }
    if (person.hand && !(old && old.hand) && person.id !== now.you) toast(text("raised", { name }));
  }
  if (now.moderator && !before.moderator) toast(text("promoted"));
}

function showTiles(now) {
  const tiles = $("tiles");
  const old = new Map([...tiles.children].map((tile) => [tile.dataset.id, tile]));
  const people = now.people.filter((person) => person.in);
  tiles.dataset.count = String(Math.min(people.length, 13));
  tiles.replaceChildren(...people.map((person) => {
    const tile = old.get(person.id) || make("li");
    const speaks = tile.querySelector(".face.speaks") !== null;
    const face = make("div", `face ${colour(person.id)}${speaks ? " speaks" : ""}`, initials(person.name));
    const name = person.id === now.you ? `${nameOf(person)} (${text("you")})` : nameOf(person);
    const marks = make("span", "marks", "",
      person.hand && symbol("hand", text("hand-raised")),
      person.muted && symbol("mic-off", text("muted")),
      person.shows && symbol("screen", text("shows")));
    tile.replaceChildren(face, make("p", "", name, marks));
    tile.dataset.id = person.id;
    tile.classList.toggle("hand", person.hand);
    if (person.id === now.you) tile.dataset.own = "";
    return tile;
  }));
}

function showRoster(now) {
  const order = (person) => (person.in ? (person.hand ? 1 : 2) : 0);
  const people = [...now.people].sort((a, b) => order(a) - order(b));
  const focused = document.activeElement && document.activeElement.dataset.key;
  $("roster").replaceChildren(...people.map((person) => {
    const own = person.id === now.you;
    const words = [own && text("you"), person.moderator && text("moderator"), !person.in && text("waits"),
      person.asks && text("asks")];
    const about = make("div", "about", "", make("b", "", nameOf(person)),
      make("small", "", words.filter(Boolean).join(" · ")));
    const row = make("li", person.in ? "" : "waits", "",
      make("span", `face small ${colour(person.id)}`, initials(person.name)), about,
      make("span", "marks", "", person.hand && symbol("hand", text("hand-raised")),
        person.shows && symbol("screen", text("shows")),
        person.in && person.muted && symbol("mic-off", text("muted"))));
    row.dataset.id = person.id;
    if (now.moderator && !own) row.append(actions(person));
    return row;
  }));
  if (focused) {
    const again = $("roster").querySelector(`[data-key="${focused}"]`);
    if (again) again.focus();
  }
}

/** What a moderator can do with somebody. */
function actions(person) {
  const button = (key, symbolName, what, more) => {
    const made = make("button", "round", "", symbol(symbolName));
    made.type = "button";
    made.title = text(key);
    made.setAttribute("aria-label", `${text(key)}: ${nameOf(person)}`);
    made.dataset.key = `${what === "show" ? key : what}-${person.id}`;
    made.onclick = () => ask(what, { who: person.id, ...more });
    return made;
  };
  if (!person.in) return make("span", "actions", "", labelled("admit", () => ask("admit", { who: person.id }), person));
  const remove = button("remove", "close", "remove");
  remove.onclick = async () => {
    if (await confirmed(text("confirm-remove", { name: nameOf(person) }))) ask("remove", { who: person.id });
  };
  return make("span", "actions", "",
    person.asks && button("let-share", "screen", "show", { on: true }),
    person.asks && button("refuse-share", "screen-off", "show", { on: false }),
    person.shows && button("stop-share", "screen-off", "show", { on: false }),
    person.hand && button("lower-hand", "hand", "hand", { on: false }),
    button(person.muted ? "unmute" : "mute", person.muted ? "mic" : "mic-off", "mute", { on: !person.muted }),
    !person.moderator && button("promote", "more", "promote"), remove);
}

function labelled(key, work, person) {
  const made = make("button", "main", text(key));
  made.type = "button";
  made.dataset.key = `${key}-${person.id}`;
  made.onclick = work;
  return made;
}

function showLevels(levels, speaker) {
  for (const row of document.querySelectorAll("#tiles > [data-id]")) {
    const level = levels[row.dataset.id];
    const speaks = row.dataset.id === speaker || (level !== undefined && level > -45);
    if (row.dataset.own === undefined) row.querySelector(".face").classList.toggle("speaks", speaks);
    row.classList.toggle("active", row.dataset.id === speaker);
  }
}

function showPicture(content, stream) {
  const video = content === "slides" ? $("slides") : $("picture");
  if (video.srcObject !== stream) video.srcObject = stream;
  video.hidden = !stream || (video === $("slides") && !othersShow());
  $("pictures").hidden = $("slides").hidden && $("picture").hidden;
  $("room").classList.toggle("with-pictures", !$("pictures").hidden);
}

/** Without slides their line has what the room says of itself, as that of cameras has already. */
function othersShow() {
  return state !== null && state.people.some((person) => person.shows && person.id !== state.you);
}

function ownPicture() {
  const video = $("own");
  video.srcObject = guest && guest.camera;
  video.hidden = !video.srcObject;
}

function showText(message) {
  const own = state && message.from === state.you;
  const time = new Date(message.at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
  const entry = make("li", own ? "own" : "", "",
    make("small", "", `${message.name || text("nameless")} · ${time}`), make("p", "", message.text));
  const list = $("texts");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  list.append(entry);
  if (atEnd || own) list.scrollTop = list.scrollHeight;
  if (($("side").hidden || $("chat").hidden) && !own) {
    unread += 1;
    $("unread").textContent = String(unread);
    $("unread").hidden = false;
  }
}

async function ask(what, more) {
  if (!meeting) return "lost";
  const why = await meeting.ask(what, more);
  if (why && why !== "lost") toast(text(`why-${why}`));
  return why;
}

/** A question, or one with an answer to be typed; `null` for no. */
function question(words, withAnswer) {
  $("question").textContent = words;
  $("answer").hidden = !withAnswer;
  $("answer").required = Boolean(withAnswer);
  $("answer").value = "";
  $("ask").returnValue = "no";
  $("ask").showModal();
  (withAnswer ? $("answer") : $("yes")).focus();
  return new Promise((resolve) => {
    $("ask").onclose = () => resolve($("ask").returnValue === "yes" ? $("answer").value : null);
  });
}

async function confirmed(words) {
  return (await question(words, false)) !== null;
}

function open(id, on) {
  for (const [sheet, button] of [["keypad", "keys"], ["menu", "moderate"]]) {
    const shown = sheet === id && on;
    $(sheet).hidden = !shown;
    $(button).setAttribute("aria-expanded", String(shown));
  }
}

function openSide(tab) {
  const same = !$("side").hidden && !$(tab).hidden;
  $("side").hidden = same;
  for (const name of ["people", "chat"]) {
    $(name).hidden = name !== tab;
    $(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
    $(`show-${name}`).setAttribute("aria-expanded", String(!$("side").hidden && name === tab));
  }
  if (tab === "chat" && !$("side").hidden) {
    unread = 0;
    $("unread").hidden = true;
    $("texts").scrollTop = $("texts").scrollHeight;
    $("text").focus();
  }
}

async function toggleMute() {
  const on = !muted;
  muted = on;
  guest.mute(on);
  set($("mic"), on, on ? "mic-off" : "mic", on ? "unmute" : "mute");
  const why = await ask("mute", { on });
  if (why && state) takeOwn(state.people.find((person) => person.id === state.you), null);
}

async function toggleCamera() {
  const on = !guest.camera;
  const fine = await guest.useCamera(on).catch(() => false);
  if (!guest) return;
  set($("camera"), Boolean(guest.camera), guest.camera ? "camera" : "camera-off", "camera");
  ownPicture();
  if (on && !fine) {
    toast(text("no-pictures"));
    await guest.useCamera(false);
    set($("camera"), false, "camera-off", "camera");
    ownPicture();
  }
}

async function toggleShare() {
  if (sharing) {
    await guest.unshare();
    return;
  }
  if (choosing || !state) return;
  const own = ownPerson();
  if (own && own.asks) {
    own.asks = false;
    showShare(own);
    ask("show", { on: false });
    return;
  }
  if (!own || !own.shows) {
    const news = nextFloorNews();
    if (await ask("show", { on: true })) return;
    // Where moderators decide it comes later, and the page says so.
    if (!(await news)) return;
  }
  await chooseScreen();
}

/** Whether the meeting gives the floor, or `false` when moderators are asked. */
function nextFloorNews() {
  return new Promise((resolve) => {
    floorTold = resolve;
    setTimeout(() => resolve(false), FLOOR_LIMIT);
  });
}

async function chooseScreen() {
  choosing = true;
  notice("");
  try {
    if (!(await guest.share())) toast(text("no-screen"));
  } catch (error) {
    // Who changes one's mind is asked nothing more.
    if (error.name !== "NotAllowedError") toast(text("no-screen"));
    await guest.unshare().catch(() => {});
  }
  choosing = false;
  // The floor may have been lost over the choice.
  const own = ownPerson();
  if (sharing && !(own && own.shows)) loseFloor();
}

function toggleHand() {
  const own = state && state.people.find((person) => person.id === state.you);
  if (own) ask("hand", { on: !own.hand });
}

async function moderate(what) {
  open("menu", false);
  if (!state) return;
  if (what === "unmute-all") ask("mute-all", { on: false });
  else if (what === "lock") ask("lock", { on: !state.locked });
  else if (what === "record") ask("record", { on: !state.recording });
  else if (what === "dial") {
    const number = await question(text("ask-number"), true);
    if (number) ask("dial", { text: number });
  } else if (what === "end") {
    if (await confirmed(text("confirm-end"))) ask("end");
  } else ask(what);
}

function press(key) {
  $("pressed").textContent = ($("pressed").textContent + key).slice(-16);
  guest.press(key);
}

// ---- The beginning

function begin() {
  $("join-form").onsubmit = join;
  $("language").onclick = () => {
    language = text("other");
    kept("language", language);
    translate();
  };
  $("mic").onclick = toggleMute;
  $("camera").onclick = toggleCamera;
  $("share").onclick = toggleShare;
  $("hand").onclick = toggleHand;
  $("keys").onclick = () => open("keypad", $("keypad").hidden);
  $("moderate").onclick = () => open("menu", $("menu").hidden);
  $("show-people").onclick = () => openSide("people");
  $("show-chat").onclick = () => openSide("chat");
  $("tab-people").onclick = () => { if ($("people").hidden) openSide("people"); };
  $("tab-chat").onclick = () => { if ($("chat").hidden) openSide("chat"); };
  $("close-side").onclick = () => openSide($("people").hidden ? "chat" : "people");
  $("leave").onclick = () => {
    leaving = true;
    guest.leave();
  };
  $("say").onsubmit = async (event) => {
    event.preventDefault();
    const words = $("text").value.trim();
    if (words && !(await ask("say", { text: words }))) $("text").value = "";
  };
  $("name").oninput = () => { $("self-face").textContent = initials($("name").value); };
  for (const button of $("menu").querySelectorAll("[data-do]")) {
    button.onclick = () => moderate(button.dataset.do);
  }
  $("keypad").querySelector(".grid").append(...KEYS.map((key) => {
    const button = make("button", "", key);
    button.type = "button";
    button.onclick = () => press(key);
    return button;
  }));
  $("microphones").onchange = async () => {
    if (meeting && $("microphones").value !== "default") watch(await guest.useMicrophone($("microphones").value));
  };
  document.onkeydown = (event) => {
    if ($("room").hidden || event.ctrlKey || event.metaKey || event.altKey || $("ask").open) return;
    if (event.key === "Escape") {
      open("", false);
      if (!$("side").hidden) openSide($("people").hidden ? "chat" : "people");
      return;
    }
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (!$("keypad").hidden && KEYS.includes(event.key)) press(event.key);
    else if (event.key === "m") toggleMute();
    else if (event.key === "h") toggleHand();
    else if (event.key === "c") {
      event.preventDefault();
      openSide("chat");
    }
  };
  window.onpagehide = () => guest && guest.leave();
}

async function start() {
  const wished = kept("language") || (navigator.language || "en").slice(0, 2);
  language = TEXTS[wished] ? wished : "en";
  begin();
  const asked = new URLSearchParams(location.search);
  $("id").value = (asked.get("id") || "").replace(/[^0-9]/g, "").slice(0, 13);
  $("name").value = asked.get("name") || kept("name");
  $("self-face").textContent = initials($("name").value);
  translate();
  ($("id").value ? $("name") : $("id")).focus();
  host = (await (await fetch("config.json")).json()).host;
  listMicrophones();
}

start();
