//! Purges that race with fetches: whatever is under way when a purge is answered, nobody reads the
//! old version after it; after a soft one, nobody does once the new one is stored.

use crate::support::{Connection, Dice, Origin, Reply, Request, Sidecar, soak};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const OBJECTS: usize = 4;
const READERS: usize = 6;

/// Where one object stands.
#[derive(Default)]
struct Object {
    /// What the app would answer.
    written: AtomicUsize,
    /// The newest version of which a purge was answered: older ones must not be read any more, or
    /// only as stale.
    purged: AtomicUsize,
    /// The newest such version that is stored: older ones must not be read in any way.
    renewed: AtomicUsize,
}

type Objects = Arc<[Object; OBJECTS]>;

fn path(object: usize) -> String {
    format!("/object/{object}")
}

/// Answers with the version as it was when the request came, some of them slowly and in pieces, so
/// that an old version is on its way when the new one is written.
async fn app(objects: Objects) -> Origin {
    Origin::forgetful(move |asked| {
        let number = asked.path().rsplit('/').next().unwrap_or_default();
        let object: usize = number.parse().expect("paths end in a number");
        let version = format!("{:06}", objects[object].written.load(SeqCst));
        let reply = Reply::chunked()
            .header("Cache-Control", "max-age=60")
            .header("Cache-Tag", &format!("all, object:{object}"));
        match asked.number % 4 {
            0 => reply.after(Duration::from_millis(2)).body(version),
            1 => {
                let (first, last) = version.split_at(version.len() / 2);
                reply.body(first.to_owned()).body(last.to_owned())
            }
            _ => reply.body(version),
        }
    })
    .await
}

/// What kind of purge races.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Race {
    /// Nothing older is read after it.
    Strict,
    /// What is older is read as stale, until what is newer is stored.
    Soft,
}

impl Race {
    /// The ways to purge one object, and some that purge all.
    fn order(self, object: usize, dice: &mut Dice) -> Value {
        let path = path(object);
        let mut order = match dice.below(12) {
            0 => json!({"all": true}),
            1 | 2 => json!({"urls": [Sidecar::url_of(&path)]}),
            3 => json!({"tags": ["all"]}),
            4 | 5 => json!({"prefixes": [path]}),
            6 => json!({"prefixes": [Sidecar::url_of("/object/"), "/nothing"]}),
            7 => json!({"globs": [format!("/*/{object}"), "**.none"]}),
            _ => json!({"tags": [format!("object:{object}")]}),
        };
        order["mode"] = match self {
            Self::Soft => json!("soft"),
            Self::Strict => json!(dice.pick(&["invalidate", "invalidate", "hard"])),
        };
        order
    }
}

/// Changes the object, purges it, reads it: over and over.
async fn write(
    race: Race,
    sidecar: Arc<Sidecar>,
    objects: Objects,
    object: usize,
    stop: Arc<AtomicBool>,
) {
    let mut connection = sidecar.connect().await;
    let mut dice = Dice::seeded(object as u64);
    while !stop.load(SeqCst) {
        let version = objects[object].written.fetch_add(1, SeqCst) + 1;
        sidecar.purge(race.order(object, &mut dice)).await;
        objects[object].purged.store(version, SeqCst);
        read(race, &mut connection, &objects, object).await;
    }
}

/// Reads any object, and holds the version against what was promised before. Gives whether it was
/// fresh and stored.
async fn read(race: Race, connection: &mut Connection, objects: &Objects, object: usize) -> bool {
    let place = &objects[object];
    let (purged, renewed) = (place.purged.load(SeqCst), place.renewed.load(SeqCst));
    let answer = connection.ask(&Request::get(&path(object))).await;
    let text = answer.text();
    let version: usize = text
        .parse()
        .unwrap_or_else(|_| panic!("{text:?}: {answer:?}"));
    assert!(answer.is_whole(), "{answer:?}");
    let stale = answer.detail() == "STALE_AFTER_PURGE";
    assert!(race == Race::Soft || !stale, "{answer:?}");
    let least = if stale { renewed } else { purged };
    assert!(
        version >= least,
        "object {object}: version {version} after a purge of {least} was answered: {answer:?}"
    );
    let fresh = answer.is_hit() && !stale;
    if fresh {
        // What is stored was fetched after that purge, and only what was fetched later replaces it.
        place.renewed.fetch_max(purged, SeqCst);
    }
    fresh
}

/// Reads until told to stop; gives how many reads and hits it saw.
async fn keep_reading(
    race: Race,
    address: SocketAddr,
    objects: Objects,
    reader: usize,
    stop: Arc<AtomicBool>,
) -> (usize, usize) {
    let mut connection = Connection::open(address).await.unwrap();
    let mut dice = Dice::seeded(1000 + reader as u64);
    let (mut reads, mut hits) = (0, 0);
    while !stop.load(SeqCst) {
        let object = dice.below(OBJECTS);
        hits += usize::from(read(race, &mut connection, &objects, object).await);
        reads += 1;
    }
    (reads, hits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_an_older_version_than_was_purged() {
    run(Race::Strict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_an_older_version_than_was_softly_purged_once_it_is_renewed() {
    run(Race::Soft).await;
}

async fn run(race: Race) {
    let objects: Objects = Arc::default();
    let origin = app(Arc::clone(&objects)).await;
    let sidecar = Arc::new(Sidecar::before(&origin).await);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..OBJECTS)
        .map(|object| {
            let (sidecar, objects) = (Arc::clone(&sidecar), Arc::clone(&objects));
            tokio::spawn(write(race, sidecar, objects, object, Arc::clone(&stop)))
        })
        .collect();
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let (address, objects) = (sidecar.address(), Arc::clone(&objects));
            tokio::spawn(keep_reading(
                race,
                address,
                objects,
                reader,
                Arc::clone(&stop),
            ))
        })
        .collect();

    let ends = Instant::now() + soak().unwrap_or(Duration::from_secs(10));
    let mut beat = crate::support::ticks(Duration::from_millis(100));
    let failed = || {
        let mut tasks = writers.iter().map(|task| task.is_finished());
        tasks.any(|ended| ended) || readers.iter().any(|task| task.is_finished())
    };
    while Instant::now() < ends && !failed() {
        beat.tick().await;
    }
    stop.store(true, SeqCst);
    let (mut reads, mut hits) = (0, 0);
    for reader in readers {
        let seen = reader.await.expect("no reader failed");
        (reads, hits) = (reads + seen.0, hits + seen.1);
    }
    for writer in writers {
        writer.await.expect("no writer failed");
    }
    let purges: usize = objects.iter().map(|o| o.purged.load(SeqCst)).sum();
    println!("{purges} purges, {reads} reads, {hits} of them hits");
    // Otherwise nothing raced.
    assert!(purges >= 100 && hits >= 100, "{purges} purges, {hits} hits");
}
