//! Devices with cameras at a real relay, in one conference, over sockets: each sees who speaks, and never
//! itself.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where it fails")]

mod rig;

use model::{MediaCommand, MediaEvent, MediaId, PictureContent};
use rig::{Device, Kind, PLAIN, Rig, meet};
use rtp_proto::rtcp::{write_picture_loss, write_receiver_report};

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
fn slides_take_the_place_of_the_picture_where_there_is_no_line_for_them() {
    let rig = Rig::new(21_240..=21_279);
    let kinds = [PLAIN, PLAIN, Kind { by_signalling: true, ..PLAIN }];
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
