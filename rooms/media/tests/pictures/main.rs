//! Devices with cameras at a real relay, in one conference, over sockets: each sees who speaks, and never
//! itself.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where it fails")]

mod rig;

use model::{
    MediaCommand, MediaEvent, MediaId, ParticipantId, PictureContent, PictureFeedback,
    PictureLayout,
};
use rig::{Device, Kind, NOTHING, PLAIN, Rig, meet};
use rtp_proto::rtcp::{
    MaxBitRate, ReportBlock, write_max_bit_rates, write_picture_loss, write_receiver_report,
    write_remb,
};

const INFO: PictureFeedback = PictureFeedback { info: true, ..NOTHING };

/// Each of these sees one, and has seen some pictures of it.
fn see(devices: &[Device], wanted: &[(u64, u64)]) -> bool {
    wanted.iter().all(|(who, whom)| {
        let device = devices.iter().find(|device| device.number == *who).unwrap();
        device.sees == Some(*whom) && device.pictures > 5
    })
}

#[test]
fn each_sees_who_speaks_and_nobody_itself() {
    let rig = Rig::new(21_200..=21_239);
    let kinds = [PLAIN, Kind { has_srtp: true, ..PLAIN }, Kind { is_single: true, ..PLAIN }];
    let mut devices: Vec<_> =
        kinds.into_iter().zip(1..).map(|(kind, number)| Device::new(&rig, number, kind)).collect();
    // Pictures before the sound, and after it.
    devices[0].sit_picture(&rig, false);
    for device in &devices {
        device.sit(&rig);
    }
    devices[1].sit_picture(&rig, false);
    devices[2].sit_picture(&rig, false);
    devices[0].speaks = true;
    meet(&mut devices, "the first speaks", |all| {
        see(all, &[(2, 1), (3, 1)]) && all[0].pictures > 5
    });
    // The switch asked for key frames: cameras send none of their own.
    (devices[0].speaks, devices[1].speaks) = (false, true);
    meet(&mut devices, "the second speaks", |all| see(all, &[(1, 2), (2, 1), (3, 2)]));
    assert!(devices[1].asked > 0, "a key frame was asked for by RTCP");
    // Whoever sees something broken asks, and the one that it sees is asked.
    let asked = devices[1].asked;
    let mut compound = Vec::new();
    write_receiver_report(&mut compound, 103, &[]);
    write_picture_loss(&mut compound, 103, devices[2].ssrc.unwrap());
    devices[2].report(compound);
    meet(&mut devices, "a picture was lost", |all| all[1].asked > asked);
    // Its camera is muted: nobody sees it, though it speaks.
    devices[1].sit_picture(&rig, true);
    meet(&mut devices, "the second is hidden", |all| {
        see(all, &[(2, 1), (3, 1)]) && all[0].sees == Some(3) && all[0].pictures > 5
    });
    devices.iter_mut().for_each(|device| device.pictures = 0);
    meet(&mut devices, "it stays hidden", |all| see(all, &[(1, 3), (2, 1), (3, 1)]));
    devices[1].sit_picture(&rig, false);
    devices[1].key_frame = false;
    meet(&mut devices, "and is shown again", |all| see(all, &[(1, 2), (3, 2)]));
    meet(&mut devices, "reports tie the pictures to the clock", |all| {
        all.iter().all(|device| device.reports > 0)
    });
    rig.relay.command(MediaCommand::StandUp { id: MediaId(13) }).unwrap();
    meet(&mut devices, "one leaves", |_| rig.statistics().picture_lines == 2);
    let statistics = rig.statistics();
    assert_eq!((statistics.participants, statistics.refused_pictures), (3, 0));
    let pictures = statistics.pictures;
    assert_eq!((pictures.lost_packets, pictures.lost_given), (0, 0), "{statistics:?}");
    assert!(pictures.packets > 100 && pictures.given > 100 && pictures.key_frames > 2);
    rig.relay.shutdown();
    rig.mixing.stop();
}

#[test]
fn whoever_is_alone_sees_the_room_until_somebody_comes() {
    let rig = Rig::new(21_380..=21_419);
    let mut devices: Vec<_> = [PLAIN, Kind { has_srtp: true, ..PLAIN }]
        .into_iter()
        .zip(1..)
        .map(|(kind, number)| Device::new(&rig, number, kind))
        .collect();
    devices[0].has_card = true;
    devices[0].sit(&rig);
    devices[0].sit_picture(&rig, false);
    meet(&mut devices, "the first sees the room", |all| all[0].before.contains(&0x65));
    assert_eq!(devices[0].before.first(), Some(&0x67), "it begins with its parameter sets");
    assert_eq!(devices[0].sees, None, "nobody else is there");
    devices[1].sit(&rig);
    devices[1].sit_picture(&rig, false);
    meet(&mut devices, "then the second", |all| see(all, &[(1, 2), (2, 1)]));
    // It may not see cameras any more, and then it may.
    devices[0].withheld.cameras = true;
    devices[0].sit_picture(&rig, false);
    devices[0].drawn = 0;
    meet(&mut devices, "the room again", |all| all[0].drawn > 10);
    devices[0].withheld.cameras = false;
    devices[0].sit_picture(&rig, false);
    (devices[0].sees, devices[0].pictures) = (None, 0);
    meet(&mut devices, "and the second again", |all| see(all, &[(1, 2), (2, 1)]));
    rig.relay.shutdown();
    rig.mixing.stop();
}

#[test]
fn what_cannot_be_shown_takes_no_place() {
    let rig = Rig::new(21_420..=21_459);
    let mut devices = [Device::new(&rig, 1, PLAIN), Device::new(&rig, 2, PLAIN)];
    // One is there, so that it is the same conference all the time.
    devices[1].sit_picture(&rig, false);
    // As many as there are places for, each of another participant.
    for refused in 1..=u64::from(room_video::MAX_PARTICIPANTS) {
        let (whose, format) = (ParticipantId(1_000 + refused), "profile-level-id=nothing".into());
        devices[0].sit_as(&rig, whose, PictureContent::Main, format, false);
        // So many wait for the conference at most.
        if refused.is_multiple_of(16) {
            meet(&mut [], "it is refused", |_| rig.statistics().refused_pictures == refused);
        }
    }
    devices[0].sit_picture(&rig, false);
    meet(&mut devices, "there is room", |all| see(all, &[(1, 2), (2, 1)]));
    rig.relay.shutdown();
    rig.mixing.stop();
}

#[test]
fn slides_take_the_place_of_the_picture_where_there_is_no_line_for_them() {
    let rig = Rig::new(21_240..=21_279);
    let kinds = [PLAIN, PLAIN, Kind { feedback: INFO, ..PLAIN }];
    let mut devices: Vec<_> =
        kinds.into_iter().zip(1..).map(|(kind, number)| Device::new(&rig, number, kind)).collect();
    for device in &devices {
        device.sit(&rig);
    }
    devices[0].sit_picture(&rig, false);
    devices[1].sit_picture(&rig, false);
    devices[2].sit_content(&rig, PictureContent::Slides, true);
    meet(&mut devices, "no slides are shown", |all| see(all, &[(1, 2), (2, 1)]));
    devices[2].key_frame = false;
    // It has the floor, and takes no feedback: its key frame is asked for by INFO.
    devices[2].sit_content(&rig, PictureContent::Slides, false);
    meet(&mut devices, "packets of slides come", |_| rig.statistics().pictures.key_frames > 2);
    rig.event(|event| match event {
        MediaEvent::PictureWanted { id } => (id.0 == 13).then_some(()),
        _ => None,
    });
    devices[2].key_frame = true;
    meet(&mut devices, "slides are shown", |all| see(all, &[(1, 3), (2, 3)]));
    assert_eq!((devices[2].sees, devices[2].asked), (None, 0), "there is nobody else's");
    // A device that takes no feedback asks by INFO too.
    let asked = devices[0].asked + devices[1].asked;
    devices[2].sit_content(&rig, PictureContent::Slides, true);
    devices.iter_mut().for_each(|device| device.pictures = 0);
    meet(&mut devices, "the floor is given back", |all| see(all, &[(1, 2), (2, 1)]));
    assert!(devices[0].asked + devices[1].asked > asked);
    let asked = devices[0].asked;
    rig.relay.command(MediaCommand::RefreshPicture { id: MediaId(12) }).unwrap();
    meet(&mut devices, "signalling asks for the second", |all| all[0].asked > asked);
    rig.relay.shutdown();
    rig.mixing.stop();
}

#[test]
fn who_takes_limits_is_told_what_the_weakest_can_take() {
    let rig = Rig::new(21_340..=21_379);
    let feedback = PictureFeedback { fir: true, remb: true, tmmbr: true, info: true, ..NOTHING };
    let all = Kind { feedback, has_srtp: true, ..PLAIN };
    let mut devices = [Device::new(&rig, 1, all), Device::new(&rig, 2, PLAIN)];
    devices.iter().for_each(|device| device.sit_picture(&rig, false));
    // Of level 3.1, which has high definition, and shown.
    meet(&mut devices, "it is told how much is enough", |all| {
        see(all, &[(1, 2), (2, 1)]) && all[0].limits == [Some(1_400_000); 2]
    });
    let mut compound = Vec::new();
    write_receiver_report(&mut compound, 102, &[]);
    write_remb(&mut compound, 102, devices[1].ssrc.unwrap(), 300_000);
    devices[1].report(compound);
    let is_less = |limit: Option<u64>| limit.is_some_and(|limit| limit <= 300_000);
    meet(&mut devices, "who sees it can take less", |all| all[0].limits.into_iter().all(is_less));
    // It loses all of the 400 kbit/s that come: half of these are asked for.
    let mut compound = Vec::new();
    let ssrc = devices[1].ssrc.unwrap();
    let block = ReportBlock { ssrc, fraction_lost: 255, ..ReportBlock::default() };
    write_receiver_report(&mut compound, 102, &[block]);
    devices[1].report(compound);
    let is_lower = |limit: Option<u64>| limit.is_some_and(|limit| limit <= 250_000);
    meet(&mut devices, "who sees it has losses", |all| all[0].limits.into_iter().all(is_lower));
    // It asks for less too: the limit is taken, and it owns it.
    let mut compound = Vec::new();
    write_receiver_report(&mut compound, 101, &[]);
    let ssrc = devices[0].ssrc.unwrap();
    let limit = MaxBitRate { ssrc, bits_per_second: 200_000, overhead: 40 };
    write_max_bit_rates(&mut compound, 101, false, &[limit]);
    devices[0].report(compound);
    meet(&mut devices, "its limit is confirmed", |all| {
        all[0].owned.is_some_and(|(owner, limit)| owner == 101 && limit <= 200_000)
    });
    let asked = devices[0].asked_by_fir;
    rig.relay.command(MediaCommand::RefreshPicture { id: MediaId(12) }).unwrap();
    meet(&mut devices, "a key frame by FIR", |all| all[0].asked_by_fir > asked);
    assert_eq!((devices[0].asked, devices[1].limits), (0, [None; 2]), "each by what it takes");
    assert!(rig.statistics().pictures.limits >= 2);
    rig.relay.shutdown();
    rig.mixing.stop();
}

#[test]
fn who_asks_for_all_at_once_where_nothing_is_composed_sees_the_speaker() {
    let rig = Rig::new(21_460..=21_499);
    let mut devices: Vec<_> = (1..=4).map(|number| Device::new(&rig, number, PLAIN)).collect();
    devices[3].layout = PictureLayout::Grid;
    for device in &devices {
        device.sit(&rig);
        device.sit_picture(&rig, false);
    }
    devices[0].speaks = true;
    meet(&mut devices, "the first speaks", |all| see(all, &[(2, 1), (3, 1), (4, 1)]));
    // In its place it may change its mind.
    devices[3].layout = PictureLayout::Speaker;
    devices[3].sit_picture(&rig, false);
    devices[3].pictures = 0;
    meet(&mut devices, "it sees the same", |all| see(all, &[(4, 1)]));
    let statistics = rig.statistics();
    assert_eq!((statistics.picture_lines, statistics.grids.opened), (4, 0));
}

#[test]
fn lost_packets_are_sent_again_either_way() {
    let rig = Rig::new(21_500..=21_539);
    let feedback = PictureFeedback { nack: true, ..PLAIN.feedback };
    let kinds = [Kind { feedback, has_srtp: true, ..PLAIN }, Kind { feedback, ..PLAIN }];
    let mut devices: Vec<_> =
        kinds.into_iter().zip(1..).map(|(kind, number)| Device::new(&rig, number, kind)).collect();
    devices[0].loses_each = Some(11);
    devices.iter().for_each(|device| device.sit_picture(&rig, false));
    meet(&mut devices, "the relay has it, and so has the device", |all| {
        all[0].sent_again > 5 && all[0].came_again > 5
    });
    let statistics = rig.relay.statistics();
    assert!(statistics.pictures_again > 5, "{statistics:?}");
    assert!(rig.statistics().pictures.nacks > 0);
    // Whoever has no key frame asked for more of them is seen all the same.
    assert!(see(&devices, &[(1, 2), (2, 1)]));
    rig.relay.shutdown();
    rig.mixing.stop();
}
