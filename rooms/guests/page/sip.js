// A small SIP user agent over a WebSocket (RFC 3261, RFC 7118): one call at a time.

const AGENT = "Tandem guest";
const ALLOW = "INVITE, ACK, CANCEL, BYE, INFO, UPDATE, OPTIONS";
const KEEP_ALIVE = 20000;
const ANSWER_LIMIT = 32000;
// A keep-alive is answered at once (RFC 5626 section 4.4.1); a connection that is silent for so many, or for so long
// after a probe, is lost: a browser may learn of that after many minutes alone.
const MOST_UNANSWERED = 2;
const PROBE_LIMIT = 6000;
// The node refreshes the session as often as it likes (RFC 4028): a page that sleeps is noticed.
const TIMER = ["Supported: timer", "Session-Expires: 86400;refresher=uas"];

/** Hexadecimal digits of so many random octets. */
export function random(octets) {
  const drawn = crypto.getRandomValues(new Uint8Array(octets));
  return Array.from(drawn, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** A message as `{ first, headers: [[name, value]], body }`; `null` of what is none. */
export function parse(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const lines = text.slice(0, end).replace(/\r\n[ \t]+/g, " ").split("\r\n");
  const headers = [];
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(":");
    if (colon < 1) return null;
    const name = line.slice(0, colon).trim().toLowerCase();
    headers.push([LONG[name] || name, line.slice(colon + 1).trim()]);
  }
  return { first: lines[0], headers, body: text.slice(end + 4) };
}

const LONG = {
  v: "via", f: "from", t: "to", i: "call-id", m: "contact", l: "content-length",
  c: "content-type", k: "supported", x: "session-expires",
};

export function header(message, name) {
  const found = message.headers.find(([known]) => known === name);
  return found ? found[1] : "";
}

function all(message, name) {
  return message.headers.filter(([known]) => known === name).map(([, value]) => value);
}

/** The URI of a `Contact`, `From` or `To`. */
function uriOf(value) {
  const found = /<([^>]*)>/.exec(value);
  return found ? found[1] : value.split(";")[0].trim();
}

function tagOf(value) {
  const found = /;\s*tag=([^;\s]+)/i.exec(value.replace(/<[^>]*>/, ""));
  return found ? found[1] : "";
}

function quoted(name) {
  return `"${name.replace(/[\u0000-\u001f\u007f]/g, " ").replace(/[\\"]/g, "\\$&")}"`;
}

/**
 * A call. `events` has `progress(status)`, `offered(sdp)` → answer, `ended(why)`;
 * `why` is `{ status, reason, byUs }`.
 */
export class Call {
  constructor(url, events) {
    this.url = url;
    this.events = events;
    this.host = `${random(8)}.invalid`;
    this.secure = url.startsWith("wss:");
    this.callId = random(16);
    this.localTag = random(8);
    this.cseq = 0;
    this.waiting = new Map();
    this.dialog = null;
    this.over = false;
    this.inviting = false;
    this.unanswered = 0;
    this.heard = 0;
    this.probing = false;
  }

  /** Opens the WebSocket. */
  open() {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.url, "sip");
      this.socket = socket;
      socket.onopen = () => {
        if (this.over) {
          socket.close();
          return;
        }
        this.keepAlive = setInterval(() => this.ping(), KEEP_ALIVE);
        resolve();
      };
      socket.onerror = () => reject(new Error("no connection"));
      socket.onclose = () => {
        reject(new Error("no connection"));
        this.lose();
      };
      socket.onmessage = (event) => this.take(event.data);
    });
  }

  /** Asks whether the node is there; counted, for timers of a page in the background are late. */
  ping() {
    if (this.unanswered >= MOST_UNANSWERED) {
      this.lose();
      return;
    }
    this.unanswered += 1;
    this.write("\r\n\r\n");
  }

  /**
   * The same, where an answer is awaited: the network may be another one. Several things tell of that at once; what
   * counts is the answer to the first.
   */
  probe() {
    if (this.over || this.probing) return;
    this.probing = true;
    const [before, began] = [this.heard, performance.now()];
    this.write("\r\n\r\n");
    setTimeout(() => {
      if (this.over || this.heard !== before) return;
      this.probing = false;
      // Whoever has slept meanwhile has not listened either.
      if (performance.now() - began > 2 * PROBE_LIMIT) this.probe();
      else this.lose();
    }, PROBE_LIMIT);
  }

  lose() {
    this.end({ status: 0, reason: "connection lost" });
  }

  /** Calls, and gives the answer's description. Further headers are lines of `name: value`. */
  async invite(uri, name, sdp, more) {
    this.target = uri;
    this.local = `${quoted(name)} <sip:guest@${this.host}>`;
    this.remote = `<${uri}>`;
    return this.offer(sdp, more);
  }

  /** A first or another offer; gives the answer. */
  async offer(sdp, more = []) {
    this.inviting = true;
    try {
      const response = await this.request("INVITE", [...TIMER, ...more, "Content-Type: application/sdp"], sdp);
      return response.body;
    } finally {
      this.inviting = false;
    }
  }

  /** A key, for whoever listens to keys. */
  key(symbol) {
    const body = `Signal=${symbol}\r\nDuration=160\r\n`;
    return this.request("INFO", ["Content-Type: application/dtmf-relay"], body);
  }

  hangUp() {
    if (this.over) return;
    if (this.dialog) {
      this.request("BYE", [], "").catch(() => {});
    } else if (this.pending) {
      this.cancel(this.pending);
    }
    this.end({ status: 200, reason: "", byUs: true });
  }

  cancel(pending) {
    const lines = [`CANCEL ${pending.uri} SIP/2.0`, pending.via, "Max-Forwards: 70",
      `From: ${pending.from}`, `To: ${pending.to}`, `Call-ID: ${this.callId}`,
      `CSeq: ${pending.cseq} CANCEL`];
    this.write(`${lines.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`);
  }

  request(method, more, body) {
    const branch = `z9hG4bK${random(12)}`;
    const cseq = method === "ACK" ? this.invitedCseq : (this.cseq += 1);
    const via = `Via: SIP/2.0/${this.secure ? "WSS" : "WS"} ${this.host};branch=${branch}`;
    const uri = this.dialog ? this.dialog.target : this.target;
    const from = `${this.local};tag=${this.localTag}`;
    const to = this.dialog ? `${this.remote};tag=${this.dialog.tag}` : this.remote;
    const lines = [`${method} ${uri} SIP/2.0`, via, "Max-Forwards: 70", `From: ${from}`,
      `To: ${to}`, `Call-ID: ${this.callId}`, `CSeq: ${cseq} ${method}`];
    for (const route of this.dialog ? this.dialog.routes : []) lines.push(`Route: ${route}`);
    if (method !== "BYE") lines.push(`Contact: ${this.contact()}`);
    lines.push(`User-Agent: ${AGENT}`, `Allow: ${ALLOW}`, ...more);
    const length = new TextEncoder().encode(body).length;
    this.write(`${lines.join("\r\n")}\r\nContent-Length: ${length}\r\n\r\n${body}`);
    if (method === "ACK") return Promise.resolve();
    const pending = { method, branch, cseq, uri, via, from, to };
    if (method === "INVITE") {
      this.invitedCseq = cseq;
      this.pending = pending;
    }
    return new Promise((resolve, reject) => {
      pending.resolve = resolve;
      pending.reject = reject;
      pending.timer = setTimeout(() => {
        this.waiting.delete(branch);
        reject(new Failure(408, "no answer"));
      }, ANSWER_LIMIT);
      this.waiting.set(branch, pending);
    });
  }

  contact() {
    return `<sip:guest@${this.host};transport=ws>`;
  }

  write(text) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  take(data) {
    this.unanswered = 0;
    this.heard += 1;
    this.probing = false;
    if (typeof data !== "string" || !data.trim()) return;
    const message = parse(data);
    if (!message) return;
    if (message.first.startsWith("SIP/2.0 ")) this.takeResponse(message);
    else this.takeRequest(message);
  }

  takeResponse(message) {
    const status = Number(message.first.slice(8, 11));
    const reason = message.first.slice(12);
    const branch = /;\s*branch=([^;,\s]+)/i.exec(header(message, "via"));
    const pending = branch && this.waiting.get(branch[1]);
    if (!pending) {
      // A 200 is repeated until its ACK has come through.
      if (status < 300 && status >= 200 && header(message, "cseq").endsWith("INVITE")) this.acknowledge();
      return;
    }
    if (status < 200) {
      this.events.progress(status);
      return;
    }
    clearTimeout(pending.timer);
    this.waiting.delete(branch[1]);
    if (pending.method === "INVITE") {
      this.pending = null;
      if (status < 300) {
        this.dialog = {
          tag: tagOf(header(message, "to")),
          target: uriOf(header(message, "contact")) || this.target,
          routes: this.dialog ? this.dialog.routes : all(message, "record-route").reverse(),
        };
        this.acknowledge();
        if (this.over) this.request("BYE", [], "").catch(() => {});
      } else {
        this.refuseAcknowledged(pending, message);
      }
    }
    if (status < 300) pending.resolve(message);
    else {
      pending.reject(new Failure(status, reason));
      if (!this.dialog && pending.method === "INVITE") this.end({ status, reason });
      if (this.dialog && (status === 481 || status === 408)) this.end({ status, reason });
    }
  }

  acknowledge() {
    if (this.dialog) this.request("ACK", [], "");
  }

  /** The ACK of a failure belongs to its INVITE's transaction (RFC 3261 section 17.1.1.3). */
  refuseAcknowledged(pending, message) {
    const lines = [`ACK ${pending.uri} SIP/2.0`, pending.via, "Max-Forwards: 70",
      `From: ${pending.from}`, `To: ${header(message, "to")}`, `Call-ID: ${this.callId}`,
      `CSeq: ${pending.cseq} ACK`];
    this.write(`${lines.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`);
  }

  async takeRequest(message) {
    const method = message.first.split(" ")[0];
    const mine = header(message, "call-id") === this.callId
      && tagOf(header(message, "to")) === this.localTag;
    if (method === "ACK") return;
    if (!mine) {
      this.respond(message, 481, "Call/Transaction Does Not Exist");
      return;
    }
    switch (method) {
      case "BYE":
        this.respond(message, 200, "OK");
        this.end({ status: 200, reason: header(message, "reason") });
        break;
      case "INVITE":
      case "UPDATE":
        await this.takeOffer(message);
        break;
      case "INFO":
      case "OPTIONS":
        this.respond(message, 200, "OK");
        break;
      default:
        this.respond(message, 501, "Not Implemented");
    }
  }

  async takeOffer(message) {
    const contact = header(message, "contact");
    if (contact && this.dialog) this.dialog.target = uriOf(contact);
    if (!message.body.trim()) {
      // A refresh without a description (RFC 4028); of an INVITE an offer would be due, which only
      // the page's own changes make.
      if (message.first.startsWith("UPDATE")) this.respond(message, 200, "OK", this.refresher(message));
      else this.respond(message, 488, "Not Acceptable Here");
      return;
    }
    if (this.inviting) {
      this.respond(message, 491, "Request Pending");
      return;
    }
    try {
      const answer = await this.events.offered(message.body);
      const more = [...this.refresher(message), "Content-Type: application/sdp"];
      this.respond(message, 200, "OK", more, answer);
    } catch (error) {
      this.respond(message, 488, "Not Acceptable Here");
    }
  }

  refresher(message) {
    const expires = header(message, "session-expires");
    return expires ? [`Session-Expires: ${expires}`, "Require: timer"] : [];
  }

  respond(request, status, reason, more = [], body = "") {
    const to = header(request, "to");
    const lines = [`SIP/2.0 ${status} ${reason}`, ...all(request, "via").map((via) => `Via: ${via}`),
      `From: ${header(request, "from")}`, `To: ${tagOf(to) ? to : `${to};tag=${this.localTag}`}`,
      `Call-ID: ${header(request, "call-id")}`, `CSeq: ${header(request, "cseq")}`];
    if (status === 200) lines.push(`Contact: ${this.contact()}`, `Allow: ${ALLOW}`, "Supported: timer");
    lines.push(...more);
    const length = new TextEncoder().encode(body).length;
    this.write(`${lines.join("\r\n")}\r\nContent-Length: ${length}\r\n\r\n${body}`);
  }

  end(why) {
    if (this.over) return;
    this.over = true;
    clearInterval(this.keepAlive);
    for (const pending of this.waiting.values()) {
      if (pending.method === "BYE") continue;
      clearTimeout(pending.timer);
      pending.reject(new Failure(why.status, why.reason));
    }
    // What was said last should still get away.
    setTimeout(() => this.socket && this.socket.close(), 500);
    this.events.ended(why);
  }
}

/** A request that was refused. */
export class Failure extends Error {
  constructor(status, reason) {
    super(`${status} ${reason}`);
    this.status = status;
  }
}
