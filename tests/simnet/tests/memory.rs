//! What a flood of a listed peer costs in memory: bytes that stay for each transaction.

#![expect(unsafe_code, reason = "a global allocator that counts is unsafe to implement")]

use b2bua::Edge;
use bytes::Bytes;
use model::{Flow, Instant, TransportProtocol};
use simnet::{EDGE, PBX, config, connector_host, directory, snapshot};
use sip_proto::StepRandom;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

/// Bytes that are allocated now.
static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A number that the customer may not call, as fraud tries them.
fn request(method: &str, n: u32) -> Bytes {
    let host = connector_host();
    let text = format!(
        "{method} sip:+442079460000@{host} SIP/2.0\r\nVia: SIP/2.0/UDP {PBX};branch=z9hG4bKh{n}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+12065550100@{PBX}>;tag=h{n}\r\n\
         To: <sip:+442079460000@{host}>\r\nCall-ID: flood-{n}@{PBX}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:x@{PBX}>\r\nX-Padding: {:0900}\r\nContent-Length: 0\r\n\r\n",
        0
    );
    Bytes::from(text)
}

/// Sends `count` requests; how many transactions there are then, and the bytes that they keep.
fn flood(methods: &[&str], count: u32) -> (u64, usize) {
    let random = Box::new(StepRandom::new(1));
    let mut edge = Edge::new(config(), snapshot(directory()), random);
    let flow = Flow::new(TransportProtocol::Udp, EDGE, PBX);
    let before = LIVE.load(Ordering::Relaxed);
    for n in 0..count {
        let method = methods[n as usize % methods.len()];
        edge.handle_input(Instant::from_millis(1), flow, request(method, n));
        while edge.poll_output().is_some() {}
    }
    let kept = LIVE.load(Ordering::Relaxed) - before;
    (edge.statistics().server_transactions, kept)
}

// One test: another one on another thread would be counted too.
#[test]
fn a_transaction_that_was_refused_keeps_less_than_its_bound() {
    for methods in [&["INVITE"][..], &["OPTIONS"], &["REGISTER", "SUBSCRIBE", "MESSAGE"]] {
        let (transactions, kept) = flood(methods, 8_192);
        assert_eq!(transactions, 8_192);
        let each = kept / 8_192;
        println!("{methods:?}: {each} bytes a transaction");
        assert!(each < MOST, "{methods:?}: {each} bytes a transaction");
    }
}

/// docs/hostile-input.md says what it comes to.
const MOST: usize = 1_152;
