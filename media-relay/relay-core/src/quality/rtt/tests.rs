use super::*;

#[test]
fn the_example_of_rfc_3550_figure_2() {
    // A = 0xb710:8000, LSR = 0xb705:2000, DLSR = 0x0005:4000: 6.125 s.
    let rtt = round_trip_time(NtpMid(0xb710_8000), NtpMid(0xb705_2000), 0x0005_4000);
    assert_eq!(rtt, Some(Duration::from_millis(6_125)));
}

#[test]
fn what_cannot_be_is_no_round_trip() {
    assert_eq!(round_trip_time(NtpMid(0x1_0000), NtpMid(0), 0), None);
    // Held 1/65,536 s longer than it was gone.
    assert_eq!(round_trip_time(NtpMid(0x2_0000), NtpMid(0x1_0000), 0x1_0001), None);
    assert_eq!(round_trip_time(NtpMid(0x2_0000), NtpMid(0x1_0000), 0x1_0000), Some(Duration::ZERO));
    // An LSR from the future wraps to 18 hours.
    assert_eq!(round_trip_time(NtpMid(0x1_0000), NtpMid(0x2_0000), 0), None);
}

#[test]
fn differences_cross_the_wrap_of_the_middle_bits() {
    let rtt = round_trip_time(NtpMid(0x0000_8000), NtpMid(0xffff_8000), 0x8000);
    assert_eq!(rtt, Some(Duration::from_millis(500)));
}

#[test]
fn a_forwarded_report_is_timed_on_our_own_clock() {
    let mut memory = SenderReportMemory::new();
    memory.on_forwarded(NtpMid(0xb705_2000), Instant::from_millis(1_000));
    let answer =
        |millis, lsr, dlsr| memory.round_trip_time(Instant::from_millis(millis), NtpMid(lsr), dlsr);
    // 540 ms gone, held for 0.5 s.
    assert_eq!(answer(1_540, 0xb705_2000, 0x8000), Some(Duration::from_millis(40)));
    assert_eq!(answer(1_540, 0xb705_2001, 0x8000), None);
    assert_eq!(answer(1_499, 0xb705_2000, 0x8000), None);
    assert_eq!(answer(1_500, 0xb705_2000, 0x8000), Some(Duration::ZERO));
    assert_eq!(answer(1_540, 0xb705_2000, u32::MAX), None);
    assert_eq!(answer(1_540, 0, 0), None);
    // A minute and a millisecond is no round trip.
    assert_eq!(answer(61_001, 0xb705_2000, 0), None);
    assert_eq!(answer(61_000, 0xb705_2000, 0), Some(Duration::from_secs(60)));
}

#[test]
fn the_ninth_report_forgets_the_first() {
    let mut memory = SenderReportMemory::new();
    let at = |n: u32| Instant::from_millis(u64::from(n) * 5_000);
    for n in 1..=9 {
        memory.on_forwarded(NtpMid(n), at(n));
    }
    assert_eq!(memory.round_trip_time(at(10), NtpMid(1), 0), None);
    assert_eq!(memory.round_trip_time(at(10), NtpMid(2), 0), Some(Duration::from_secs(40)));
    assert_eq!(memory.round_trip_time(at(10), NtpMid(9), 0), Some(Duration::from_secs(5)));
}

#[test]
fn a_repeated_report_moves_its_time_and_zero_is_never_remembered() {
    let mut memory = SenderReportMemory::new();
    memory.on_forwarded(NtpMid(7), Instant::from_millis(0));
    memory.on_forwarded(NtpMid(7), Instant::from_millis(100));
    memory.on_forwarded(NtpMid(0), Instant::from_millis(100));
    let now = Instant::from_millis(130);
    assert_eq!(memory.round_trip_time(now, NtpMid(7), 0), Some(Duration::from_millis(30)));
    assert_eq!(memory.round_trip_time(now, NtpMid(0), 0), None);
}

#[test]
fn means_are_absent_without_samples() {
    let mut rtts = RoundTrips::new();
    assert_eq!((rtts.mean(), rtts.last(), rtts.take_interval()), (None, None, None));
    rtts.on_sample(Duration::from_millis(10));
    rtts.on_sample(Duration::from_millis(30));
    assert_eq!(rtts.take_interval(), Some(Duration::from_millis(20)));
    assert_eq!(rtts.take_interval(), None);
    rtts.on_sample(Duration::from_millis(50));
    assert_eq!(rtts.mean(), Some(Duration::from_millis(30)));
    assert_eq!(rtts.last(), Some(Duration::from_millis(50)));
}
