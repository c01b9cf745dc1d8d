// A telephone whose screen goes dark may stop the page: it stays awake while there is a meeting.

let lock = null;
let wanted = false;

/** Asked anew each time that the page is seen again, for a page that is hidden loses it. */
export async function keepAwake() {
  wanted = true;
  if (lock || !navigator.wakeLock || document.visibilityState !== "visible") return;
  try {
    const mine = await navigator.wakeLock.request("screen");
    if (!wanted || lock) {
      mine.release();
      return;
    }
    lock = mine;
    lock.onrelease = () => { lock = null; };
  } catch (error) {
    // A browser with little power left refuses; the meeting goes on.
  }
}

export function letSleep() {
  wanted = false;
  if (lock) lock.release();
  lock = null;
}

/** The page is seen again. */
export function seenAgain() {
  if (wanted) keepAwake();
}
