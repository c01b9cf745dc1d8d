use super::*;

fn runs(thinning: u8, begin: u16, end: u16, chunks: &[u16]) -> (u32, u32) {
    let mut content = vec![0, 0, 0, 1];
    content.extend(begin.to_be_bytes());
    content.extend(end.to_be_bytes());
    content.extend(chunks.iter().flat_map(|chunk| chunk.to_be_bytes()));
    RunLengths::parse(thinning, &content).unwrap().ones_and_zeros()
}

#[test]
fn the_chunks_of_section_4_1_are_counted() {
    // Section 4.1.1: a run of 1,000 ones; then 15 packets by bit, of which three did not come.
    assert_eq!(runs(0, 0, 1_015, &[0x4000 | 1_000, 0x8000 | 0b111_0111_1101_1110, 0]), (1_012, 3));
    // A run of zeros across the wrap of the numbers.
    assert_eq!(runs(0, 65_530, 4, &[10, 0]), (0, 10));
    // Only as far as the range goes: the last vector is filled up with zeros.
    assert_eq!(runs(0, 0, 3, &[0x8000 | 0b111_0000_0000_0000]), (3, 0));
    // One of four packets is told.
    assert_eq!(runs(2, 0, 40, &[0x4000 | 10]), (10, 0));
    // The null chunk ends it, whatever follows.
    assert_eq!(runs(0, 0, 10, &[0x4002, 0, 0x4008]), (2, 0));
    assert_eq!(RunLengths::parse(0, &[0; 7]), None);
}

#[test]
fn receipt_times_are_read() {
    let content = [0, 0, 0, 9, 0, 5, 0, 7, 0, 0, 0, 160, 0, 0, 1, 64];
    let block = ReceiptTimes::parse(0, &content).unwrap();
    assert_eq!(block.range, PacketRange { ssrc: 9, begin: 5, end: 7 });
    assert_eq!(block.times().collect::<Vec<_>>(), [160, 320]);
}

#[test]
fn a_summary_says_only_what_its_flags_announce() {
    let mut content = vec![0, 0, 0, 9, 0, 5, 0, 7];
    content.extend((1_u32..=6).flat_map(u32::to_be_bytes));
    content.extend([60, 64, 62, 1]);
    let all = StatisticsSummary::parse(0xe8, &content).unwrap();
    assert_eq!((all.lost, all.duplicated), (Some(1), Some(2)));
    assert_eq!((all.jitter, all.time_to_live), (Some([3, 4, 5, 6]), Some([60, 64, 62, 1])));
    let none = StatisticsSummary::parse(0, &content).unwrap();
    assert_eq!(
        (none.lost, none.duplicated, none.jitter, none.time_to_live),
        (None, None, None, None)
    );
    assert_eq!(StatisticsSummary::parse(0xe8, &content[..35]), None);
}
