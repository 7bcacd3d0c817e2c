mod variants;

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::{MemoryTier, Metrics, OVERHEAD};
use crate::cache::entry::{Coded, Entry};
use crate::cache::key::Key;
use crate::cache::object::Object;
use crate::cache::testing::{Lcg, entry, key, secs};

const MIB: u64 = 1 << 20;

fn of_size(key: &Key, bytes: usize) -> Arc<Entry> {
    Arc::new(entry(
        key,
        &[("content-type", "text/plain")],
        vec![b'x'; bytes],
    ))
}

fn at(key: &Key, seconds: i64) -> Arc<Entry> {
    let mut entry = entry(key, &[], "");
    let shift = secs(seconds.unsigned_abs());
    entry.stored_at = if seconds < 0 {
        entry.stored_at - shift
    } else {
        entry.stored_at + shift
    };
    Arc::new(entry)
}

fn with_sequence(key: &Key, sequence: u64) -> Arc<Entry> {
    let mut entry = entry(key, &[], "");
    entry.sequence = sequence;
    Arc::new(entry)
}

fn holds(tier: &MemoryTier, key: &Key, entry: &Arc<Entry>) -> bool {
    tier.get(key)
        .is_some_and(|stored| Arc::ptr_eq(&stored.variants()[0], entry))
}

#[test]
fn stores_replaces_removes() {
    let tier = MemoryTier::new(MIB);
    let (a, b) = (key("/a"), key("/b"));
    assert!(tier.get(&a).is_none());
    let first = of_size(&a, 10);
    assert!(tier.insert(a.clone(), Arc::clone(&first)));
    assert!(holds(&tier, &a, &first) && tier.get(&b).is_none());
    let second = of_size(&a, 20);
    assert!(tier.insert(a.clone(), Arc::clone(&second)));
    assert!(holds(&tier, &a, &second));
    assert!(
        tier.insert(a.clone(), Arc::clone(&second)),
        "the same one again"
    );
    assert_eq!(
        (tier.objects(), tier.evictions()),
        (1, 0),
        "replacing evicts nothing"
    );
    assert_eq!(
        tier.bytes(),
        OVERHEAD + a.bytes() as u64 + Object::of(second.clone()).weight()
    );
    assert!(
        tier.remove(&a)
            .is_some_and(|removed| Arc::ptr_eq(&removed.variants()[0], &second))
    );
    assert!(tier.remove(&a).is_none() && tier.get(&a).is_none());
    assert_eq!((tier.objects(), tier.bytes(), tier.evictions()), (0, 0, 0));
}

#[test]
fn an_overtaken_answer_does_not_replace_a_newer_one() {
    let k = key("/");
    let cases = [
        ("later", at(&k, 0), at(&k, 1), true),
        ("at the same moment", at(&k, 0), at(&k, 0), true),
        ("earlier", at(&k, 0), at(&k, -1), false),
        (
            "so much earlier that the clock was set back",
            at(&k, 0),
            at(&k, -3600),
            true,
        ),
        (
            "from before a purge",
            with_sequence(&k, 2),
            with_sequence(&k, 1),
            false,
        ),
        (
            "from after a purge",
            with_sequence(&k, 1),
            with_sequence(&k, 2),
            true,
        ),
    ];
    for (case, stored, new, expected) in cases {
        let tier = MemoryTier::new(MIB);
        assert!(tier.insert(k.clone(), Arc::clone(&stored)));
        assert_eq!(tier.insert(k.clone(), Arc::clone(&new)), expected, "{case}");
        assert!(
            holds(&tier, &k, if expected { &new } else { &stored }),
            "{case}"
        );
    }
}

#[test]
fn replaces_only_the_same() {
    let tier = MemoryTier::new(MIB);
    let k = key("/");
    let plain = of_size(&k, 100);
    let coded = |from: &Entry| {
        Arc::new(from.with_coded(Coded {
            br: Some(Bytes::from_static(b"br")),
            gzip: None,
        }))
    };
    assert!(
        !tier.replace_if_same(&k, &plain, coded(&plain)),
        "nothing there"
    );
    assert_eq!(tier.objects(), 0);
    tier.insert(k.clone(), Arc::clone(&plain));
    let rich = coded(&plain);
    assert!(tier.replace_if_same(&k, &plain, Arc::clone(&rich)));
    assert!(holds(&tier, &k, &rich));
    assert!(
        !tier.replace_if_same(&k, &plain, coded(&plain)),
        "already replaced"
    );
    let newer = of_size(&k, 100);
    tier.insert(k.clone(), Arc::clone(&newer));
    assert!(
        !tier.replace_if_same(&k, &rich, coded(&rich)),
        "the app's new answer stays"
    );
    assert!(holds(&tier, &k, &newer));
}

#[test]
fn a_richer_entry_that_does_not_fit_leaves_the_plain_one() {
    let tier = MemoryTier::new(MIB);
    let k = key("/");
    let plain = of_size(&k, 600_000);
    assert!(tier.insert(k.clone(), Arc::clone(&plain)));
    let coded = Coded {
        br: Some(Bytes::from(vec![0; 600_000])),
        gzip: None,
    };
    assert!(!tier.replace_if_same(&k, &plain, Arc::new(plain.with_coded(coded))));
    assert!(holds(&tier, &k, &plain));
    assert_eq!(tier.evictions(), 0);
}

#[test]
fn what_is_too_large() {
    let cases = [
        ("nothing fits into nothing", 0, 1, false),
        ("half of it", MIB, 512 * 1024, true),
        ("all of it", MIB, MIB as usize, false),
        ("8 MiB in 9", 9 * MIB, 8 << 20, true),
        ("8 MiB in 16", 16 * MIB, 8 << 20, true),
        ("8 MiB in 64, of four shards", 64 * MIB, 8 << 20, true),
        ("15 MiB in 64, of four shards", 64 * MIB, 15 << 20, true),
        ("17 MiB in 64, of four shards", 64 * MIB, 17 << 20, false),
        ("15 MiB in 1 GiB", 1024 * MIB, 15 << 20, true),
    ];
    for (case, capacity, bytes, expected) in cases {
        let tier = MemoryTier::new(capacity);
        let k = key("/");
        assert_eq!(
            tier.insert(k.clone(), of_size(&k, bytes)),
            expected,
            "{case}"
        );
        assert_eq!(tier.get(&k).is_some(), expected, "{case}");
        assert_eq!(tier.evictions(), 0, "{case}");
    }
    let tier = MemoryTier::new(MIB);
    let k = key("/");
    tier.insert(k.clone(), of_size(&k, 1));
    assert!(!tier.insert(k.clone(), of_size(&k, 2 << 20)));
    assert!(tier.get(&k).is_none(), "the outdated one is gone");
}

#[test]
fn stays_within_its_bound() {
    for (capacity, inserts) in [(MIB, 20_000), (33 * MIB, 100_000u32)] {
        let tier = MemoryTier::new(capacity);
        let mut random = Lcg(3);
        let mut peak = 0;
        for i in 0..inserts {
            let k = key(&format!("/{}", random.below(50_000)));
            let entry = of_size(&k, random.below(4_000));
            let weight = OVERHEAD + k.bytes() as u64 + entry.weight();
            assert!(tier.insert(k, entry), "{weight} bytes");
            if i % 16 == 0 {
                peak = peak.max(tier.bytes());
                assert!(tier.bytes() <= capacity, "{} of {capacity}", tier.bytes());
            }
        }
        assert!(tier.bytes() <= tier.bytes_max());
        assert!(peak > capacity / 10 * 8, "{peak} of {capacity} used");
        assert!(tier.evictions() > 0 && tier.objects() > 0);
    }
}

#[test]
fn objects_and_evictions_add_up() {
    let tier = MemoryTier::new(MIB);
    for i in 0..5_000 {
        let k = key(&format!("/{i}"));
        assert!(tier.insert(k.clone(), of_size(&k, 1_000)));
    }
    assert_eq!(tier.objects() + tier.evictions(), 5_000);
}

#[test]
fn resizes() {
    let tier = MemoryTier::new(16 * MIB);
    let keys: Vec<Key> = (0..1_000).map(|i| key(&format!("/{i}"))).collect();
    for k in &keys {
        tier.insert(k.clone(), of_size(k, 10_000));
    }
    let stored = |tier: &MemoryTier| keys.iter().filter(|k| tier.get(k).is_some()).count() as u64;
    assert_eq!(stored(&tier), 1_000);
    let steps = [
        ("the same", 16 * MIB, 1_000),
        ("a little more", 17 * MIB, 1_000),
        ("more shards", 256 * MIB, 1_000),
        ("as many as there can be", 4096 * MIB, 1_000),
        ("one shard again", 15 * MIB, 1_000),
    ];
    for (case, bytes, expected) in steps {
        tier.resize(bytes);
        assert_eq!(
            (tier.bytes_max(), stored(&tier)),
            (bytes, expected),
            "{case}"
        );
        assert_eq!((tier.objects(), tier.evictions()), (expected, 0), "{case}");
    }
    tier.resize(2 * MIB);
    assert!(tier.bytes() <= 2 * MIB && tier.objects() > 100);
    assert_eq!(tier.objects() + tier.evictions(), 1_000);
    tier.resize(0);
    assert_eq!(
        (tier.objects(), tier.bytes(), tier.evictions()),
        (0, 0, 1_000)
    );
    tier.resize(MIB);
    assert!(
        tier.insert(keys[0].clone(), of_size(&keys[0], 10)),
        "comes back from nothing"
    );
}

#[test]
fn survives_writers_and_resizes_at_once() {
    let tier = MemoryTier::new(32 * MIB);
    thread::scope(|scope| {
        for worker in 0..3u64 {
            let tier = &tier;
            scope.spawn(move || {
                let mut random = Lcg(worker);
                for _ in 0..5_000 {
                    let k = key(&format!("/{}", random.below(200)));
                    match random.below(4) {
                        0 => drop(tier.remove(&k)),
                        1 => drop(tier.get(&k)),
                        _ => drop(tier.insert(k.clone(), of_size(&k, random.below(2_000)))),
                    }
                }
            });
        }
        for bytes in [MIB, 64 * MIB, 0, 256 * MIB, 8 * MIB]
            .into_iter()
            .cycle()
            .take(200)
        {
            tier.resize(bytes);
        }
    });
    tier.resize(MIB);
    assert!(tier.bytes() <= MIB);
}

#[test]
fn metrics() {
    let tier = Arc::new(MemoryTier::new(MIB));
    let k = key("/");
    tier.insert(k.clone(), of_size(&k, 10));
    let mut registry = Registry::with_prefix("vestibule");
    Metrics::register(
        Arc::clone(&tier),
        registry.sub_registry_with_prefix("cache"),
    );
    let mut text = String::new();
    encode(&mut text, &registry).expect("a String takes everything");
    for line in [
        format!("vestibule_cache_memory_bytes {}", tier.bytes()),
        "vestibule_cache_memory_bytes_max 1048576".to_owned(),
        "vestibule_cache_objects 1".to_owned(),
        "vestibule_cache_evictions_total 0".to_owned(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}
