//! Coded bodies of stored answers: made once, whoever asks first, and kept with the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::Shared;
use super::ctx::Ctx;
use crate::cache::entry::{Coded, Entry};
use crate::cache::key::Key;
use crate::compress::encoder::compress_whole;
use crate::compress::negotiate::Coding;

/// Bodies up to this size are coded on the spot (about a millisecond); larger ones elsewhere, so
/// that no worker stands still for them.
const INLINE_BYTES_MAX: usize = 32 * 1024;

/// A body that is being coded: which entry (by its address, which its users keep alive), and how.
type Job = (usize, Coding);

/// The bodies that are being coded.
#[derive(Debug, Default)]
pub struct Codings(Mutex<HashMap<Job, Arc<OnceCell<Bytes>>>>);

impl Codings {
    fn jobs(&self) -> MutexGuard<'_, HashMap<Job, Arc<OnceCell<Bytes>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry's body in a coding. `None` when coding it failed or did not make it smaller: then the
/// identity body serves.
pub(super) async fn body(
    shared: &Shared,
    ctx: &Ctx,
    key: &Key,
    entry: &Arc<Entry>,
    coding: Coding,
) -> Option<Bytes> {
    let kept = match coding {
        Coding::Brotli => &entry.coded.br,
        Coding::Gzip => &entry.coded.gzip,
    };
    let body = match kept {
        Some(body) => body.clone(),
        None => once(shared, ctx, key, entry, coding).await,
    };
    // An empty body stands for "not worth it", so that it is not tried again on each hit.
    Some(body).filter(|body| !body.is_empty())
}

/// Makes the coded body, or waits for who is making it.
async fn once(shared: &Shared, ctx: &Ctx, key: &Key, entry: &Arc<Entry>, coding: Coding) -> Bytes {
    let job = (Arc::as_ptr(entry) as usize, coding);
    let cell = shared.codings.jobs().entry(job).or_default().clone();
    let made = cell
        .get_or_init(|| make(shared, ctx, key, entry, coding))
        .await
        .clone();
    shared.codings.jobs().remove(&job);
    made
}

async fn make(shared: &Shared, ctx: &Ctx, key: &Key, entry: &Arc<Entry>, coding: Coding) -> Bytes {
    let (plain, levels) = (entry.body.clone(), ctx.snapshot.compression.levels);
    let made = match plain.len() <= INLINE_BYTES_MAX {
        true => compress_whole(coding, &levels, &plain).ok(),
        false => {
            let work = move || compress_whole(coding, &levels, &plain).ok();
            tokio::task::spawn_blocking(work).await.ok().flatten()
        }
    };
    let made = made
        .filter(|made| made.len() < entry.body.len())
        .unwrap_or_default();
    shared
        .compression
        .coded(coding, entry.body.len() as u64, made.len() as u64);
    let coded = match coding {
        Coding::Brotli => Coded {
            br: Some(made.clone()),
            gzip: None,
        },
        Coding::Gzip => Coded {
            br: None,
            gzip: Some(made.clone()),
        },
    };
    shared
        .memory
        .replace_if_same(key, entry, Arc::new(entry.with_coded(coded)));
    made
}
