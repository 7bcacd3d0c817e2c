//! Limits one by one and under contention.

use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

fn ip(n: u32) -> Option<IpAddr> {
    Some(IpAddr::V4(Ipv4Addr::from_bits(n)))
}

const NONE: Settings = Settings {
    total: 0,
    per_ip: 0,
};

#[test]
fn limits() {
    type Case<'a> = (&'a str, Settings, &'a [Option<IpAddr>], Option<Reason>);
    let cases: &[Case<'_>] = &[
        ("no limits", NONE, &[ip(1), ip(1), ip(1), None], None),
        (
            "total",
            Settings {
                total: 2,
                per_ip: 0,
            },
            &[ip(1), ip(2), ip(3)],
            Some(Reason::ConnectionsTotal),
        ),
        (
            "per address",
            Settings {
                total: 0,
                per_ip: 2,
            },
            &[ip(1), ip(1), ip(1)],
            Some(Reason::ConnectionsPerIp),
        ),
        (
            "other addresses",
            Settings {
                total: 0,
                per_ip: 2,
            },
            &[ip(1), ip(1), ip(2)],
            None,
        ),
        (
            "exempt",
            Settings {
                total: 0,
                per_ip: 1,
            },
            &[None, None, None],
            None,
        ),
        (
            "exempt from one only",
            Settings {
                total: 1,
                per_ip: 1,
            },
            &[None, None],
            Some(Reason::ConnectionsTotal),
        ),
        (
            "the address is blamed first",
            Settings {
                total: 1,
                per_ip: 1,
            },
            &[ip(1), ip(1)],
            Some(Reason::ConnectionsPerIp),
        ),
    ];
    for (case, settings, callers, last) in cases {
        let connections = Connections::new();
        let mut results: Vec<_> = callers
            .iter()
            .map(|caller| connections.acquire(settings, *caller))
            .collect();
        assert_eq!(results.pop().unwrap().err(), *last, "{case}");
        assert!(results.iter().all(Result::is_ok), "{case}");
        assert_eq!(connections.open(), results.len(), "{case}");
        drop(results);
        assert_eq!(
            (connections.open(), connections.addresses()),
            (0, 0),
            "{case}"
        );
    }
}

#[test]
fn a_dropped_permit_makes_room() {
    let connections = Connections::new();
    let settings = Settings {
        total: 1,
        per_ip: 1,
    };
    for _ in 0..3 {
        let permit = connections.acquire(&settings, ip(1)).unwrap();
        assert!(connections.acquire(&settings, ip(1)).is_err());
        drop(permit);
    }
}

#[test]
fn settings_apply_from_the_next_connection_on() {
    let connections = Connections::new();
    let open: Vec<_> = (0..5)
        .map(|_| connections.acquire(&NONE, ip(1)).unwrap())
        .collect();
    let tight = Settings {
        total: 3,
        per_ip: 2,
    };
    assert_eq!(
        connections.acquire(&tight, ip(1)).err(),
        Some(Reason::ConnectionsPerIp)
    );
    assert_eq!(
        connections.acquire(&tight, ip(2)).err(),
        Some(Reason::ConnectionsTotal)
    );
    assert_eq!(connections.open(), 5);
    drop(open);
    assert!(connections.acquire(&tight, ip(1)).is_ok());
}

#[test]
fn the_table_forgets_and_shrinks() {
    let connections = Connections::new();
    let room = || {
        connections
            .shards
            .iter()
            .map(|s| lock(s).capacity())
            .sum::<usize>()
    };
    let flood: Vec<_> = (0..100_000)
        .map(|n| connections.acquire(&NONE, ip(n)).unwrap())
        .collect();
    assert_eq!(connections.addresses(), 100_000);
    assert!(room() >= 100_000);
    drop(flood);
    assert_eq!(connections.addresses(), 0);
    assert!(room() <= SHARDS * 4 * ROOM_MIN, "{}", room());
}

/// Many threads, few places: at no moment more than allowed, and in the end all are back.
#[test]
fn the_bound_holds_under_contention() {
    const THREADS: u32 = 8;
    let connections = Connections::new();
    let settings = Settings {
        total: 10,
        per_ip: 3,
    };
    let inside: Vec<AtomicUsize> = (0..4).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (connections, inside) = (&connections, &inside);
            scope.spawn(move || {
                let mut held = std::collections::VecDeque::new();
                for round in 0..20_000_u32 {
                    let address = (thread + round) % 4;
                    if let Ok(permit) = connections.acquire(&settings, ip(address)) {
                        let mine = &inside[address as usize];
                        let now = mine.fetch_add(1, Ordering::SeqCst) + 1;
                        assert!(now <= settings.per_ip, "{now} from one address");
                        held.push_back((permit, mine));
                    }
                    let open = connections.open();
                    assert!(open <= settings.total, "{open} in all");
                    if round % 3 != 0 || held.len() > 2 {
                        // Out of our own count first, or the next one in would be seen twice.
                        if let Some((permit, mine)) = held.pop_front() {
                            mine.fetch_sub(1, Ordering::SeqCst);
                            drop(permit);
                        }
                    }
                }
                while let Some((permit, mine)) = held.pop_front() {
                    mine.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            });
        }
    });
    assert_eq!((connections.open(), connections.addresses()), (0, 0));
}

#[test]
fn metrics() {
    let connections = Connections::new();
    let mut registry = Registry::with_prefix("connections");
    let metrics = Metrics::register(&mut registry, &connections);
    let v6 = Some(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let _permits = [
        connections.acquire(&NONE, v6).unwrap(),
        connections.acquire(&NONE, v6).unwrap(),
    ];
    metrics.accepted.inc();
    metrics.refused(Reason::ConnectionsPerIp);
    metrics.refused(Reason::Internal);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "connections_open 2",
        "connections_addresses 1",
        "connections_accepted_total 1",
        "connections_refused_total{reason=\"CONNECTIONS_PER_IP\"} 1",
        "connections_refused_total{reason=\"CONNECTIONS_TOTAL\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}
