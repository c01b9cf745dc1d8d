use super::*;
use std::sync::mpsc::sync_channel;

fn ids(resolver: &mut Resolver) -> Vec<(u64, usize)> {
    resolver.take_answers().into_iter().map(|(id, found)| (id.0, found.len())).collect()
}

#[test]
fn lookups_are_bounded_in_number_and_time() {
    #[expect(clippy::disallowed_methods, reason = "a test chooses its clock's origin")]
    let clock = Clock::new(std::time::Instant::now());
    let limits = ResolverLimits {
        timeout: Duration::from_millis(20),
        concurrent: 1,
        waiting: 1,
        ..ResolverLimits::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (inputs, mut received) = mpsc::channel(16);
        let (release, held) = sync_channel::<()>(0);
        let held = std::sync::Mutex::new(held);
        let lookup: Lookup = Arc::new(move |host| {
            if host == "hangs.example" {
                let _ = held.lock().unwrap().recv();
            }
            Ok(vec!["192.0.2.7".parse().unwrap()])
        });
        let mut resolver = Resolver::new(limits, clock, lookup, inputs);
        let ask = |resolver: &mut Resolver, id, host: &str| {
            resolver.resolve(ResolveId(id), &host.into(), None, TransportProtocol::Tcp);
        };
        ask(&mut resolver, 1, "hangs.example");
        ask(&mut resolver, 2, "hangs.example");
        ask(&mut resolver, 3, "waits.example");
        ask(&mut resolver, 4, "refused.example");
        assert_eq!(ids(&mut resolver), [(4, 0)]);

        // Time is up for both who asked, but the thread is not free yet.
        resolver.handle(received.recv().await.unwrap());
        assert_eq!(ids(&mut resolver), [(1, 0), (2, 0)]);
        assert!(received.try_recv().is_err());
        release.send(()).unwrap();
        resolver.handle(received.recv().await.unwrap());
        resolver.handle(received.recv().await.unwrap());
        assert_eq!(ids(&mut resolver), [(3, 1)]);
    });
}
