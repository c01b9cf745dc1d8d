//! A ring between two threads: what is read is what was written, whole and in order.

use model::{Instant, LegSide};
use relay_core::{MediaSocket, PacketKind, Tapped, ring};

fn tapped(number: u64) -> Tapped {
    Tapped {
        from: if number.is_multiple_of(2) { LegSide::A } else { LegSide::B },
        socket: MediaSocket::Rtp,
        kind: PacketKind::Rtp,
        source: ([192, 0, 2, 1], number as u16).into(),
        arrival: Instant::from_nanos(number.wrapping_mul(0x1234_5678_9abc)),
    }
}

#[test]
fn two_threads_agree_on_every_octet() {
    const PACKETS: u64 = 200_000;
    let (mut writer, mut reader) = ring(16_384);
    let written = std::thread::spawn(move || {
        let (mut written, mut octets) = (0_u64, [0_u8; 200]);
        for number in 0..PACKETS {
            octets[..8].copy_from_slice(&number.to_be_bytes());
            octets[192..].copy_from_slice(&number.to_be_bytes());
            written += u64::from(writer.write(&tapped(number), &octets));
        }
        written
    });
    let (mut read, mut last, mut out) = (0, None, Vec::new());
    loop {
        let was_closed = reader.is_closed();
        let Some(found) = reader.read(&mut out) else {
            if was_closed {
                break;
            }
            std::thread::yield_now();
            continue;
        };
        let number = u64::from_be_bytes(*out.first_chunk().unwrap());
        assert_eq!((out.len(), &out[192..]), (200, &number.to_be_bytes()[..]));
        assert_eq!(found, tapped(number));
        assert!(last < Some(number), "{last:?} before {number}");
        (last, read) = (Some(number), read + 1);
    }
    assert_eq!(read, written.join().unwrap());
    assert_eq!(read + reader.lost(), PACKETS);
    assert!(read > 0);
}
