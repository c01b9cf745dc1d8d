//! What is left of a composed picture when nobody asks any more.

use super::*;
use room_grid::GridSettings;

#[test]
fn a_size_that_was_made_is_no_source_for_ever() {
    let settings = GridSettings { frames_per_second: 5, ..GridSettings::default() };
    let pool = Arc::new(GridPool::start(settings).unwrap());
    let composer = Composer { pool, per_second: settings.frames_per_second };
    let mut composing = Composing::new(Some(composer), ConferenceId(1));
    let mut switch = VideoSwitch::new();
    let (size, level) = (GridSize::Usual, Level::L3_1);
    let began = Instant::from_millis(1_000);
    composing.open(began);
    let mut viewers = [None; GridSize::ALL.len()];
    viewers[size as usize] = Some(Viewers { level, most: 400_000, count: 2 });
    composing.tell_outputs(began, &viewers, &mut switch);
    let told = OutputSettings { bits_per_second: 400_000, level, viewers: 2 };
    assert_eq!(composing.outputs[size as usize].told, Some(told));
    // The switch has heard of no such limit.
    composing.outputs[size as usize].limit = 900_000;
    composing.tell_outputs(began, &viewers, &mut switch);
    assert_eq!(composing.outputs[size as usize].told, Some(told));
    let key = Composed::Grid(size as u16).key();
    assert!(switch.source_counters(key).is_some());
    // Its thread has no time for it, and whoever asked leaves meanwhile.
    composing.close(began, &mut switch);
    composing.look(began + LINGER / 2, &[], &mut switch);
    assert!(switch.source_counters(key).is_some(), "what comes late of it is known");
    composing.look(began + LINGER, &[], &mut switch);
    assert!(switch.source_counters(key).is_none());
    assert!(composing.outputs.iter().all(|output| output.unseen.is_none()));
}
