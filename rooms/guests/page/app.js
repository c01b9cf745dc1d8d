// The page: joining, what is shown of the meeting, and what its buttons do.

import { Guest } from "./call.js";
import { emptyChat, openChat, sendText, showText } from "./chat.js";
import { $, initials, make, set } from "./elements.js";
import { here, ownPerson } from "./here.js";
import { Meeting } from "./meeting.js";
import { ask, closeSide, confirmed, notice, noticeAgain, open, openSide, question, toast } from "./panels.js";
import { showLevels, showRoster, showTiles, tellNews } from "./people.js";
import { endTrial, showCamera, showPicture, toggleCamera, tryCamera } from "./pictures.js";
import { floorNotice, showShare, takeFloor, takeSharing, toggleShare } from "./sharing.js";
import { changeMicrophone, endWatch, listMicrophones, takeMuted, toggleMute, watch } from "./sound.js";
import { kept, speak, spoken, text } from "./words.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

let leaving = false;

function translate(language) {
  speak(language);
  document.title = (here.state && here.state.name) || text("title");
  $("language").textContent = text("other-language");
  $("language").lang = text("other");
  if (here.state) show(here.state);
  noticeAgain();
}

// ---- Before the meeting

function fresh() {
  return new Guest({
    state: (word) => {
      if (word === "no-media") notice(word);
    },
    sound: (stream) => { $("sound").srcObject = stream; },
    picture: (content, stream) => showPicture(content, stream),
    sharing: (on) => takeSharing(on),
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
  const mine = fresh();
  here.guest = mine;
  endTrial();
  try {
    const camera = $("with-camera").checked;
    watch(await mine.prepare({ microphone: $("microphones").value, camera }));
    listMicrophones();
  } catch (error) {
    $("join-message").textContent = text("no-microphone", { why: error.name || String(error) });
    $("join-button").disabled = false;
    return;
  }
  const wantsCamera = Boolean(mine.camera);
  try {
    // Not before: whoever is quick with the button would call nobody.
    const { host } = await (await fetch("config.json")).json();
    await mine.join(host, name, [id, $("passcode").value.trim()], spoken());
  } catch (error) {
    // What has ended the call has said so, but where it never began.
    if (mine.call && mine.call.over) return;
    mine.leave();
    ended({ status: 0, reason: "", never: true });
    return;
  }
  enter(mine);
  if (wantsCamera && !mine.hasPictures) toast(text("no-pictures"));
}

function enter(mine) {
  // Somebody may have wished for one while joining.
  endTrial();
  $("join").hidden = true;
  $("room").hidden = false;
  $("controls").hidden = false;
  $("join-message").textContent = "";
  here.muted = false;
  here.muting = 0;
  set($("mic"), false, "mic", "mute");
  showCamera();
  here.meeting = new Meeting(mine.key, {
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
  if (here.meeting) here.meeting.close();
  endWatch();
  here.meeting = here.state = null;
  here.sharing = here.choosing = false;
  showShare(null);
  notice("");
  for (const id of ["room", "controls", "keypad", "menu", "side", "pictures"]) $(id).hidden = true;
  for (const id of ["ask", "help"]) $(id).close();
  $("join").hidden = false;
  $("join-button").disabled = false;
  $("meeting-name").textContent = document.title = text("title");
  for (const badge of ["badge-locked", "badge-recording"]) $(badge).hidden = true;
  for (const list of ["tiles", "roster"]) $(list).replaceChildren();
  emptyChat();
  $("sound").srcObject = null;
  endTrial();
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
  const before = here.state;
  here.state = now;
  document.title = now.name || text("title");
  $("meeting-name").textContent = now.name || text("title");
  $("badge-locked").hidden = !now.locked;
  $("badge-recording").hidden = !now.recording;
  $("count").textContent = String(now.people.filter((person) => person.in).length);
  showModeration(now);
  const own = ownPerson();
  if (own) takeOwn(own, before);
  notice(floorNotice(own) || (now.people.length === 1 ? "alone" : ""));
  showPicture("slides", $("slides").srcObject);
  if (before) tellNews(before, now);
  showTiles(now);
  showRoster(now);
}

function showModeration(now) {
  const entry = (name) => $("menu").querySelector(`[data-do=${name}]`);
  $("moderate").hidden = !now.moderator;
  if (!now.moderator) $("menu").hidden = true;
  entry("lock").dataset.text = now.locked ? "unlock" : "lock";
  entry("record").dataset.text = now.recording ? "stop-recording" : "record";
  entry("admit-all").hidden = !now.people.some((person) => !person.in);
  for (const each of $("menu").querySelectorAll("[data-text]")) each.textContent = text(each.dataset.text);
}

function takeOwn(own, before) {
  takeMuted(own.muted, Boolean(before));
  set($("hand"), own.hand, "hand", own.hand ? "lower-hand" : "hand");
  takeFloor(own, before);
}

function toggleHand() {
  const own = ownPerson();
  if (own) ask("hand", { on: !own.hand });
}

async function moderate(what) {
  open("menu", false);
  if (!here.state) return;
  if (what === "unmute-all") ask("mute-all", { on: false });
  else if (what === "lock") ask("lock", { on: !here.state.locked });
  else if (what === "record") ask("record", { on: !here.state.recording });
  else if (what === "dial") {
    const number = await question(text("ask-number"), true);
    if (number) ask("dial", { text: number });
  } else if (what === "end") {
    if (await confirmed(text("confirm-end"))) ask("end");
  } else ask(what);
}

function press(key) {
  $("pressed").textContent = ($("pressed").textContent + key).slice(-16);
  here.guest.press(key);
}

// ---- The beginning

function beginButtons() {
  const work = {
    mic: toggleMute, camera: toggleCamera, share: toggleShare, hand: toggleHand,
    "show-people": () => openSide("people"), "show-chat": openChat, "close-side": closeSide,
    keys: () => open("keypad", $("keypad").hidden), moderate: () => open("menu", $("menu").hidden),
    "show-help": () => $("help").showModal(),
    leave: () => {
      leaving = true;
      here.guest.leave();
    },
    language: () => {
      kept("language", text("other"));
      translate(text("other"));
    },
  };
  for (const [id, what] of Object.entries(work)) $(id).onclick = () => what();
  $("tab-people").onclick = () => { if ($("people").hidden) openSide("people"); };
  $("tab-chat").onclick = () => { if ($("chat").hidden) openChat(); };
  for (const button of $("menu").querySelectorAll("[data-do]")) {
    button.onclick = () => moderate(button.dataset.do);
  }
  $("keypad").querySelector(".grid").append(...KEYS.map((key) => {
    const button = make("button", "", key);
    button.type = "button";
    button.onclick = () => press(key);
    return button;
  }));
}

function onKey(event) {
  // An input method's keys are its own.
  if (event.isComposing) return;
  if (event.ctrlKey || event.metaKey || event.altKey || $("ask").open || $("help").open) return;
  if (!$("room").hidden && event.key === "Escape") {
    open("", false);
    closeSide();
    return;
  }
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === "?") $("help").showModal();
  else if ($("room").hidden) return;
  else if (!$("keypad").hidden && KEYS.includes(event.key)) press(event.key);
  else if (event.key === "m") toggleMute();
  else if (event.key === "h") toggleHand();
  else if (event.key === "c") {
    event.preventDefault();
    openChat();
  }
}

function begin() {
  beginButtons();
  $("join-form").onsubmit = join;
  $("say").onsubmit = sendText;
  $("name").oninput = () => { $("self-face").textContent = initials($("name").value); };
  $("with-camera").onchange = tryCamera;
  $("microphones").onchange = changeMicrophone;
  document.onkeydown = onKey;
  window.onpagehide = () => here.guest && here.guest.leave();
}

function start() {
  begin();
  const asked = new URLSearchParams(location.search);
  $("id").value = (asked.get("id") || "").replace(/[^0-9]/g, "").slice(0, 13);
  $("name").value = asked.get("name") || kept("name");
  $("self-face").textContent = initials($("name").value);
  translate(kept("language") || (navigator.language || "en").slice(0, 2));
  ($("id").value ? $("name") : $("id")).focus();
  listMicrophones();
}

start();
