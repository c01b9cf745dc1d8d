// What the page is about: the call, the channel beside it, and what the meeting was last told to be.

/**
 * `guest` is the call, `meeting` its channel, `state` the newest list of who is there; `muted` is what the microphone
 * is, `muting` how many wishes about that are not answered. `sharing` is whether a screen is shown, `choosing` whether one
 * is being chosen.
 */
export const here = {
  guest: null, meeting: null, state: null, muted: false, muting: 0, sharing: false, choosing: false,
};

/** The guest in the list. */
export function ownPerson() {
  return here.state && here.state.people.find((person) => person.id === here.state.you);
}
