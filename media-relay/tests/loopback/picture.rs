//! Streams of pictures that take part in conferences, over sockets. What is made of them is tested in
//! `room-media`.

use super::rig::{Endpoint, Rig};
use media_relay::{SeatNews, SeatedPicture};
use model::{
    ConferenceId, IpFamily, MediaCommand, MediaEvent, MediaId, MediaLine, MediaType, ParticipantId,
    PictureContent, PictureFeedback, PictureFormat, PictureLayout, PictureSeat, PicturesWithheld,
    SeatFailure, TransactionId,
};
use relay_core::PictureSent;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};

pub(crate) fn seat(participant: u64, is_hidden: bool) -> Box<PictureSeat> {
    Box::new(PictureSeat {
        conference: ConferenceId(1),
        participant: ParticipantId(participant),
        content: PictureContent::Main,
        payload_type: 0,
        format: PictureFormat::Vp8,
        feedback: PictureFeedback::default(),
        most_bits_per_second: None,
        is_hidden,
        withheld: PicturesWithheld::default(),
        card: None,
        name: "".into(),
        layout: PictureLayout::Speaker,
    })
}

pub(crate) fn sit(rig: &Rig, id: u64, seat: Box<PictureSeat>) -> Result<(), SeatFailure> {
    rig.relay.command(MediaCommand::SitPicture { id: MediaId(id), seat }).unwrap();
    loop {
        match rig.event() {
            MediaEvent::Sits { id: of } if of == MediaId(id) => return Ok(()),
            MediaEvent::SeatFailed { id: of, failure } if of == MediaId(id) => return Err(failure),
            _ => {}
        }
    }
}

pub(crate) fn allocate_video(rig: &Rig, id: u64) -> SocketAddr {
    let line = MediaLine::Further { index: 1, media: MediaType::Video };
    let (transaction_id, families) = (TransactionId::from_random(id.into()), [IpFamily::V4; 2]);
    let (id, emergency) = (MediaId(id), false);
    let command = MediaCommand::Allocate { id, transaction_id, families, emergency, line };
    rig.relay.command(command).unwrap();
    loop {
        if let MediaEvent::Allocated { id: of, local } = rig.event()
            && of == id
        {
            return local[0].rtp;
        }
    }
}

pub(crate) fn picture(seats: &Receiver<SeatNews>) -> Box<SeatedPicture> {
    match seats.try_recv().unwrap() {
        SeatNews::Picture(picture) => picture,
        SeatNews::Audio(stream) => panic!("{stream:?}"),
        SeatNews::Record(order) => panic!("{order:?}"),
        SeatNews::Utter(order) => panic!("{order:?}"),
    }
}

/// The next packet that the leg sent, once whoever switches was called for it.
pub(crate) fn sent(picture: &mut SeatedPicture, rig: &Rig) -> Vec<u8> {
    let mut octets = Vec::new();
    for _ in 0..10_000 {
        if picture.call.take()
            && let Some((PictureSent::Packet, _)) = picture.rings.sent.read(&mut octets)
        {
            return octets;
        }
        // Another thread writes.
        rig.pause();
    }
    panic!("the packet of a leg is not in its ring");
}

#[test]
fn a_camera_sits_is_hidden_in_its_place_and_leaves() {
    let (sender, seats) = sync_channel(8);
    let rig = Rig::new("127.0.0.1", 21_060..=21_079, |config| config.conferences = Some(sender));
    let to = allocate_video(&rig, 1);
    let [camera, nobody] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&camera, &nobody]);
    assert_eq!(sit(&rig, 1, seat(1, false)), Ok(()));
    let mut first = picture(&seats);
    camera.send(to, 1);
    assert_eq!(sent(&mut first, &rig), super::rig::rtp(1));
    assert_eq!(sit(&rig, 1, seat(1, true)), Ok(()));
    assert!(first.rings.signs.is_hidden() && seats.try_recv().is_err(), "the same place");
    assert_eq!(sit(&rig, 1, seat(1, false)), Ok(()));
    assert!(!first.rings.signs.is_hidden());
    let mut layout = seat(1, false);
    layout.layout = PictureLayout::Grid;
    assert_eq!(sit(&rig, 1, layout), Ok(()));
    assert!(first.rings.signs.wants_grid() && seats.try_recv().is_err(), "the same place");
    rig.relay.command(MediaCommand::RefreshPicture { id: MediaId(1) }).unwrap();
    rig.until(|_| first.rings.signs.take_needs_key_frame());
    // Another format is another place.
    let mut other = seat(1, false);
    other.payload_type = 98;
    assert_eq!(sit(&rig, 1, other), Ok(()));
    let second = picture(&seats);
    assert!(first.rings.sent.is_closed() && first.rings.given.is_abandoned());
    assert_ne!(second.numbers.sequence, first.numbers.sequence, "numbers go on");
    assert_eq!(second.numbers.ssrc, first.numbers.ssrc);
    rig.until(|s| s.picture_seats == 1);
    rig.relay.command(MediaCommand::StandUp { id: MediaId(1) }).unwrap();
    let statistics = rig.until(|s| s.picture_seats == 0 && second.rings.sent.is_closed());
    assert_eq!((statistics.seats, statistics.seat_failures), (0, 0));
}

#[test]
fn a_camera_without_a_seat_is_told_why() {
    let rig = Rig::new("127.0.0.1", 21_080..=21_089, |_| {});
    allocate_video(&rig, 1);
    assert_eq!(sit(&rig, 1, seat(1, false)), Err(SeatFailure::NoConferences));
    let (sender, seats) = sync_channel(8);
    let rig = Rig::new("127.0.0.1", 21_320..=21_339, |config| {
        config.conferences = Some(sender);
        config.max_picture_seats = 1;
    });
    rig.allocate(1).unwrap();
    allocate_video(&rig, 2);
    allocate_video(&rig, 3);
    assert_eq!(sit(&rig, 1, seat(1, false)), Err(SeatFailure::NoStream), "it is audio");
    assert_eq!(sit(&rig, 7, seat(1, false)), Err(SeatFailure::NoStream));
    assert_eq!(sit(&rig, 2, seat(2, false)), Ok(()));
    assert_eq!(sit(&rig, 3, seat(3, false)), Err(SeatFailure::TooMany));
    rig.release(2);
    assert_eq!(sit(&rig, 3, seat(3, false)), Ok(()));
    // Nobody switches any more: who sits is told.
    drop(seats);
    loop {
        if let MediaEvent::SeatFailed { id: MediaId(3), failure } = rig.event() {
            assert_eq!(failure, SeatFailure::Abandoned);
            break;
        }
    }
    assert_eq!(rig.until(|s| s.picture_seats == 0).seat_failures, 4);
}
