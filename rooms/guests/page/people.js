// Who is there: tiles, the list, and what a moderator can do with somebody.

import { $, colour, initials, make, nameOf, symbol } from "./elements.js";
import { here } from "./here.js";
import { ask, confirmed, toast } from "./panels.js";
import { text } from "./words.js";

/** What somebody ought to notice. */
export function tellNews(before, now) {
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

/** A tile for everybody who is in. */
export function showTiles(now) {
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
    tile.replaceChildren(face, make("p", "", "", make("span", "", name), marks));
    tile.dataset.id = person.id;
    tile.title = nameOf(person);
    tile.classList.toggle("hand", person.hand);
    if (person.id === now.you) tile.dataset.own = "";
    return tile;
  }));
}

/** The list; who waits, and who has a hand up, stands first. */
export function showRoster(now) {
  const order = (person) => (person.in ? (person.hand ? 1 : 2) : 0);
  const people = [...now.people].sort((a, b) => order(a) - order(b));
  const focused = document.activeElement && document.activeElement.dataset.key;
  $("roster").replaceChildren(...people.map((person) => {
    const own = person.id === now.you;
    const words = [own && text("you"), person.moderator && text("moderator"), !person.in && text("waits"),
      person.asks && text("asks")];
    const about = make("div", "about", "", make("b", "", nameOf(person)),
      make("small", "", words.filter(Boolean).join(" · ")));
    about.title = nameOf(person);
    const row = make("li", person.in ? "" : "waits", "",
      make("span", `face small ${colour(person.id)}`, initials(person.name)), about,
      // A moderator's buttons say the same.
      make("span", "marks", "", person.hand && (own || !now.moderator) && symbol("hand", text("hand-raised")),
        person.shows && symbol("screen", text("shows")),
        person.in && person.muted && (own || !now.moderator) && symbol("mic-off", text("muted"))));
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
  // As everywhere it shows what is, and says what it does.
  const microphone = button(person.muted ? "unmute" : "mute", person.muted ? "mic-off" : "mic", "mute", { on: !person.muted });
  microphone.classList.toggle("off", person.muted);
  return make("span", "actions", "",
    person.asks && button("let-share", "screen", "show", { on: true }),
    person.asks && button("refuse-share", "screen-off", "show", { on: false }),
    person.shows && button("stop-share", "screen-off", "show", { on: false }),
    person.hand && button("lower-hand", "hand", "hand", { on: false }),
    microphone, !person.moderator && button("promote", "more", "promote"), remove);
}

/** A button with a word. */
function labelled(key, work, person) {
  const made = make("button", "main", text(key));
  made.type = "button";
  made.dataset.key = `${key}-${person.id}`;
  made.onclick = work;
  return made;
}

/** Who speaks. */
export function showLevels(levels, speaker) {
  for (const row of document.querySelectorAll("#tiles > [data-id]")) {
    const level = levels[row.dataset.id];
    const speaks = row.dataset.id === speaker || (level !== undefined && level > -45);
    if (row.dataset.own === undefined) row.querySelector(".face").classList.toggle("speaks", speaks);
    row.classList.toggle("active", row.dataset.id === speaker);
  }
}
