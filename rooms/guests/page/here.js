// What the page is about: the call, the channel beside it, and what the meeting was last told to be.

/**
 * `wishes` is how the guest joins; `devices` are its own; `guest` is the call, `meeting` its channel, `state` the
 * newest list of who is there, or `null`, with the word for what the guest waits for in `stage`; `muted` is what the
 * microphone is, `muting` how many wishes about that are not answered. `sharing` is whether a screen is shown,
 * `choosing` whether one is being chosen. `silent` is whether neither sound nor pictures come through. `composes` is
 * whether the node makes pictures of all at once.
 */
export const here = {
  wishes: null, devices: null, guest: null, meeting: null, state: null, stage: "", muted: false, muting: 0,
  sharing: false, choosing: false, silent: false, composes: false,
};

/** The guest in the list. */
export function ownPerson() {
  return here.state && here.state.people.find((person) => person.id === here.state.you);
}
