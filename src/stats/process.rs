//! What the process takes from its machine, read from `/proc/self` (proc(5)). The one file of the
//! pure layer that does I/O, because there is nothing in it to keep apart from the I/O.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// The unit of times in `/proc`. The kernel's `USER_HZ` is 100 on every architecture that we build
/// for, and asking for it would need `unsafe`.
const TICKS_PER_SECOND: f64 = 100.0;

/// A look at the process.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Process {
    /// Memory in RAM.
    pub rss_bytes: u64,
    /// File descriptors in use: connections, mostly.
    pub open_fds: u64,
    /// How many there may be; `None` means no limit.
    pub max_fds: Option<u64>,
    /// Processor time used, user and system, all threads.
    pub cpu_seconds: f64,
    /// Threads.
    pub threads: u64,
    /// When it started, in seconds since 1970.
    pub start_seconds: f64,
}

/// A look at this process; `None` where there is no `/proc`.
#[must_use]
pub fn sample() -> Option<Process> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let stat = parse_stat(&read("/proc/self/stat")?)?;
    // `read_dir` has one descriptor open itself while it counts.
    let listed = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(Process {
        rss_bytes: parse_rss(&read("/proc/self/status")?)?,
        open_fds: listed.saturating_sub(1),
        max_fds: parse_max_fds(&read("/proc/self/limits")?)?,
        cpu_seconds: stat.cpu_seconds,
        threads: stat.threads,
        start_seconds: parse_boot_time(&read("/proc/stat")?)? + stat.start_after_boot,
    })
}

#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: u64,
    start_after_boot: f64,
}

/// `/proc/self/stat`: one line. The second field is the program's name in parentheses and may hold
/// anything, so counting begins behind the last one: field 3 is at index 0.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let seconds = |ticks: u64| ticks as f64 / TICKS_PER_SECOND;
    Some(Stat {
        cpu_seconds: seconds(field(14)? + field(15)?),
        threads: field(20)?,
        start_after_boot: seconds(field(22)?),
    })
}

/// `/proc/self/status`. It says kB and means KiB; `statm` would need the page size.
fn parse_rss(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib = value
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?;
    Some(kib * 1024)
}

/// `/proc/self/limits`: the soft limit of `Max open files`.
fn parse_max_fds(text: &str) -> Option<Option<u64>> {
    let values = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match values.split_ascii_whitespace().next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

/// `/proc/stat`: when the machine started, in seconds since 1970.
fn parse_boot_time(text: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

/// Adds the process's figures to the scrape. `registry` carries the prefix: with `process` alone they
/// have the names that every Prometheus dashboard knows (`process_resident_memory_bytes`, ...).
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessCollector));
}

#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(process) = sample() else {
            return Ok(());
        };
        let mut add = |name: &str, help: &str, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        add(
            "resident_memory_bytes",
            "Memory of the process that is in RAM",
            &ConstGauge::new(process.rss_bytes),
        )?;
        add(
            "open_fds",
            "File descriptors in use",
            &ConstGauge::new(process.open_fds),
        )?;
        if let Some(max_fds) = process.max_fds {
            add(
                "max_fds",
                "File descriptors that the process may use",
                &ConstGauge::new(max_fds),
            )?;
        }
        add(
            "cpu_seconds",
            "Processor time used, user and system",
            &ConstCounter::new(process.cpu_seconds),
        )?;
        add(
            "threads",
            "Threads of the process",
            &ConstGauge::new(process.threads),
        )?;
        add(
            "start_time_seconds",
            "When the process started, in seconds since 1970",
            &ConstGauge::new(process.start_seconds),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat() {
        let line = "7 (a ) b) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 12 0 1234 99 8 7";
        let expected = Stat {
            cpu_seconds: 3.0,
            threads: 12,
            start_after_boot: 12.34,
        };
        assert_eq!(parse_stat(line), Some(expected));
        for broken in [
            "",
            "7 (a) S 1",
            "no parentheses",
            "7 (a) S x x x x x x x x x x x x x x x",
        ] {
            assert_eq!(parse_stat(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn small_files() {
        assert_eq!(
            parse_rss("Name:\tx\nVmRSS:\t    2048 kB\nVmHWM: 9 kB\n"),
            Some(2 << 20)
        );
        assert_eq!(parse_rss("VmRSS: many kB"), None);
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax open files  1024  4096  files\n";
        assert_eq!(parse_max_fds(limits), Some(Some(1024)));
        assert_eq!(
            parse_max_fds("Max open files  unlimited  unlimited  files"),
            Some(None)
        );
        assert_eq!(parse_max_fds("Max processes  1  1"), None);
        assert_eq!(
            parse_boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000.0)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process() {
        let process = sample().unwrap();
        assert!(
            (1 << 20..1 << 40).contains(&process.rss_bytes),
            "{process:?}"
        );
        assert!(process.open_fds >= 3 && process.threads >= 1, "{process:?}");
        let file = fs::File::open("/proc/self/stat").unwrap();
        let now = sample().unwrap();
        drop(file);
        assert!(now.cpu_seconds >= process.cpu_seconds, "{now:?}");
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let age = since_1970.unwrap().as_secs_f64() - process.start_seconds;
        assert!((-2.0..86_400.0).contains(&age), "{age} s old");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn scraped_under_the_usual_names() {
        let mut registry = Registry::default();
        register(registry.sub_registry_with_prefix("process"));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for name in [
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_cpu_seconds_total ",
            "process_threads ",
            "process_start_time_seconds ",
        ] {
            assert!(
                text.lines().any(|line| line.starts_with(name)),
                "{name} is not in\n{text}"
            );
        }
        assert!(text.contains("# TYPE process_cpu_seconds counter"));
    }
}
