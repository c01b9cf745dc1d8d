// The page: its buttons and keys.

import { seenAgain } from "./awake.js";
import { openChat, sendText } from "./chat.js";
import { $, initials, make } from "./elements.js";
import { here } from "./here.js";
import { join, leave, lookAround } from "./joining.js";
import { closeSide, noticeAgain, open, openSide } from "./panels.js";
import { toggleCamera, toggleLayout, tryCamera } from "./pictures.js";
import { moderate, press, show, toggleHand } from "./room.js";
import { toggleShare } from "./sharing.js";
import { listMicrophones, play, toggleMute } from "./sound.js";
import { kept, speak, text } from "./words.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

function translate(language) {
  speak(language);
  document.title = (here.state && here.state.name) || text("title");
  $("language").textContent = text("other-language");
  $("language").lang = text("other");
  if (here.state) show(here.state);
  noticeAgain();
}

function beginButtons() {
  const work = {
    mic: toggleMute, camera: toggleCamera, share: toggleShare, hand: toggleHand,
    "show-people": () => openSide("people"), "show-chat": openChat, "close-side": closeSide,
    keys: () => open("keypad", $("keypad").hidden), moderate: () => open("menu", $("menu").hidden),
    "show-help": () => $("help").showModal(),
    layout: toggleLayout, unblock: play, "listen-button": () => join(true), leave,
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
  else if (event.key === "v") toggleLayout();
  else if (event.key === "c") {
    event.preventDefault();
    openChat();
  }
}

function begin() {
  beginButtons();
  $("join-form").onsubmit = (event) => {
    event.preventDefault();
    join(false);
  };
  $("say").onsubmit = sendText;
  $("name").oninput = () => { $("self-face").textContent = initials($("name").value); };
  $("with-camera").onchange = tryCamera;
  document.onkeydown = onKey;
  window.onpagehide = leave;
  // The network may be another one, and a page that was hidden may have slept.
  window.ononline = lookAround;
  if (navigator.connection) navigator.connection.onchange = lookAround;
  document.onvisibilitychange = () => {
    if (document.visibilityState !== "visible") return;
    seenAgain();
    lookAround();
  };
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
  if (!navigator.mediaDevices) $("join-message").textContent = text("insecure");
}

start();
