//! A voice from one thread to another.

use codecs::voice_ring;

#[test]
fn two_threads_agree() {
    let (mut writer, mut reader) = voice_ring(16_000);
    const ALL: u64 = 200_000;
    let thread = std::thread::spawn(move || {
        let mut said = 0_u64;
        while said < ALL {
            let samples: Vec<i16> = (said..(said + 333).min(ALL)).map(|n| n as i16).collect();
            let taken = writer.write(&samples);
            said += taken as u64;
            if taken == 0 {
                std::thread::yield_now();
            }
        }
    });
    let (mut heard, mut out) = (0_u64, [0; 320]);
    while heard < ALL {
        let taken = reader.take(&mut out);
        for sample in &out[..taken] {
            assert_eq!(*sample, heard as i16, "sample {heard}");
            heard += 1;
        }
        if taken == 0 {
            std::thread::yield_now();
        }
    }
    thread.join().unwrap();
}
