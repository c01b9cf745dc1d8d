//! What the process takes of the host: processor time, memory, open files.

use call_metrics::{Definition, Reading, definitions};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Threads whose processor time is told apart: those that carry calls and media, all of them long-lived.
/// One of them that is busy all the time is a bound that more processors do not lift.
const OWN_THREADS: [&str; 6] =
    ["sip-", "relay-", "recorder", "file-sink", "kept-calls", "prometheus"];

/// Reads `/proc/self`; what cannot be read is left out.
pub(crate) fn read(out: &mut Vec<Reading>) {
    let root = Path::new("/proc/self");
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as f64;
    let text = |name: &str| fs::read_to_string(root.join(name)).ok();
    let mut put = |definition: &'static Definition, value: Option<f64>| {
        out.extend(value.map(|value| Reading { definition, label: "".into(), value }));
    };
    let stat = text("stat");
    let stat = stat.as_deref().and_then(Stat::parse);
    put(&definitions::PROCESS_CPU, stat.as_ref().map(|stat| stat.cpu_ticks as f64 / ticks));
    put(&definitions::PROCESS_RESIDENT, stat.as_ref().map(|s| s.resident_pages as f64 * page));
    put(&definitions::PROCESS_OPEN_FILES, open_files(root));
    put(&definitions::PROCESS_MAX_FILES, text("limits").as_deref().and_then(max_files));
    let started = text("../stat").as_deref().and_then(boot_time);
    let since_boot = stat.as_ref().map(|stat| stat.start_ticks as f64 / ticks);
    put(&definitions::PROCESS_START, started.zip(since_boot).map(|(boot, since)| boot + since));
    for (name, spent) in threads(root) {
        out.push(Reading {
            definition: &definitions::THREAD_CPU,
            label: name.into(),
            value: spent as f64 / ticks,
        });
    }
}

/// `/proc/PID/stat`, proc_pid_stat(5).
#[derive(PartialEq, Eq, Debug)]
struct Stat<'a> {
    name: &'a str,
    /// User and system time.
    cpu_ticks: u64,
    /// After the host's start.
    start_ticks: u64,
    resident_pages: u64,
}

impl<'a> Stat<'a> {
    fn parse(text: &'a str) -> Option<Stat<'a>> {
        // The name may have parentheses and spaces itself.
        let (before, after) = (text.find('(')?, text.rfind(')')?);
        let name = text.get(before + 1..after)?;
        // From the third field on.
        let fields: Vec<_> = text.get(after + 1..)?.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Stat {
            name,
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            start_ticks: field(22)?,
            resident_pages: field(24)?,
        })
    }
}

fn open_files(root: &Path) -> Option<f64> {
    // One of them is the directory that is read here.
    let count = fs::read_dir(root.join("fd")).ok()?.count();
    Some(count.saturating_sub(1) as f64)
}

/// The soft limit; nothing when there is none.
fn max_files(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Seconds since 1970 at which the host started.
fn boot_time(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Processor time by the name of the thread, in ticks.
fn threads(root: &Path) -> BTreeMap<String, u64> {
    let mut spent = BTreeMap::new();
    for thread in fs::read_dir(root.join("task")).into_iter().flatten().flatten() {
        let Ok(text) = fs::read_to_string(thread.path().join("stat")) else { continue };
        let Some(stat) = Stat::parse(&text) else { continue };
        if OWN_THREADS.iter().any(|own| stat.name.starts_with(own)) {
            *spent.entry(stat.name.to_owned()).or_default() += stat.cpu_ticks;
        }
    }
    spent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_no_obstacle() {
        let text = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 1234 \
                    1000000 77 18446744073709551615 1 1 0 0 0 0 0 0 0";
        let stat = Stat { name: "a) b (c", cpu_ticks: 300, start_ticks: 1234, resident_pages: 77 };
        assert_eq!(Stat::parse(text), Some(stat));
        for cut in ["", "42", "42 (", "42 (a", ")(", "42 (a) S 1", "42 (a) S 1 x"] {
            assert_eq!(Stat::parse(cut), None, "{cut}");
        }
    }

    #[test]
    fn limits_are_the_soft_ones() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 1048576              files     \n";
        assert_eq!(max_files(limits), Some(1024.0));
        assert_eq!(max_files("Max open files  unlimited unlimited files"), None);
        assert_eq!(max_files(""), None);
    }

    #[test]
    fn this_process_is_seen() {
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        let busy = std::thread::Builder::new().name("relay-test".into());
        let busy = busy.spawn(move || stopped.recv().is_err()).unwrap();
        let mut out = Vec::new();
        // A thread names itself when it has begun.
        let label =
            |r: &Reading| r.definition == &definitions::THREAD_CPU && r.label == "relay-test";
        while !out.iter().any(label) {
            out.clear();
            read(&mut out);
        }
        drop(stop);
        assert!(busy.join().unwrap());
        let value = |definition: &Definition| {
            out.iter().find(|r| r.definition == definition).map(|r| r.value).unwrap()
        };
        assert!(value(&definitions::PROCESS_RESIDENT) > 1e6);
        assert!(value(&definitions::PROCESS_OPEN_FILES) >= 3.0);
        assert!(value(&definitions::PROCESS_MAX_FILES) >= value(&definitions::PROCESS_OPEN_FILES));
        let now = crate::clock::Origin::now().calendar.as_millis() as f64 / 1_000.0;
        let age = now - value(&definitions::PROCESS_START);
        assert!((-2.0..3_600.0).contains(&age), "started {age} s ago");
        assert!(value(&definitions::PROCESS_CPU) < 3_600.0);
    }
}
