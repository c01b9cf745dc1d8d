// The channel beside the call: what the guest sees of the meeting, and what it wants done.

const AGAIN = 2000;
const ANSWER_LIMIT = 8000;

/**
 * `events` has `stage(word)`, `meeting(state)`, `levels(levels, speaker)`, `chat(message)`.
 * The key is the one whose digest the call has shown.
 */
export class Meeting {
  constructor(key, events) {
    this.key = key;
    this.events = events;
    this.number = 0;
    this.asked = new Map();
    this.closed = false;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/room`, "tandem.room.1");
    this.socket.onopen = () => this.socket.send(JSON.stringify({ key: this.key }));
    this.socket.onmessage = (event) => this.take(JSON.parse(event.data));
    this.socket.onclose = () => {
      for (const asked of this.asked.values()) asked("lost");
      this.asked.clear();
      if (!this.closed) setTimeout(() => this.closed || this.open(), AGAIN);
    };
  }

  take(message) {
    switch (message.type) {
      case "meeting":
        this.events.meeting(message);
        break;
      case "levels":
        this.events.levels(message.levels, message.speaker);
        break;
      case "chat":
        this.events.chat(message);
        break;
      case "done":
      case "refused":
        if (this.asked.has(message.number)) this.asked.get(message.number)(message.why || "");
        this.asked.delete(message.number);
        break;
      case "over":
        this.close();
        break;
      default:
        this.events.stage(message.type);
    }
  }

  /** Has something done; gives why not, or an empty text. */
  ask(what, more = {}) {
    this.number += 1;
    const number = this.number;
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.resolve("lost");
    this.socket.send(JSON.stringify({ number, do: what, ...more }));
    return new Promise((resolve) => {
      this.asked.set(number, resolve);
      setTimeout(() => {
        if (this.asked.delete(number)) resolve("lost");
      }, ANSWER_LIMIT);
    });
  }

  close() {
    this.closed = true;
    this.socket.close();
  }
}
