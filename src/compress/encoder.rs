//! The encoders: brotli (RFC 7932) and gzip (RFC 1952), fed chunk by chunk or with a whole body.
//!
//! # What one encoder holds
//!
//! Measured with a counting allocator on HTML in chunks of 8 KiB (brotli 9.1, flate2 with zlib-ng):
//!
//! | | 16 KiB body | 100 KiB | 1 MiB |
//! |---|---|---|---|
//! | streaming br, quality 2 | 1.0 MiB | 1.2 | 1.5 |
//! | streaming br, quality 4 | 1.3 MiB | 2.0 | 2.9 |
//! | streaming br, quality 5 | 1.8 MiB | 2.6 | 4.2 |
//! | streaming br, quality 6 | 2.8 MiB | 3.6 | 5.2 |
//! | gzip, any level | 0.4 MiB | 0.4 | 0.4 |
//!
//! Brotli's share is bounded by its window and block size, not by the body, but quality drives it
//! steeply: 9 MiB at 7, 35 MiB at 9. A stream lives as long as its client likes, so streams get a
//! lower quality than asked for ([`STREAM_QUALITY`]); whole bodies, coded once and at once, get what
//! the configuration says.

use std::io::{self, Write};
use std::ops::RangeInclusive;

use brotli::enc::StandardAlloc;
use brotli::enc::encode::{
    BrotliEncoderOperation as Operation, BrotliEncoderParameter as Parameter,
    BrotliEncoderStateStruct,
};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Coding, Levels};

/// Brotli's qualities for streams. Above, memory per stream explodes (see the module's table).
/// Below, each chunk is compressed by itself, without a window: twice the size of quality 2 at 100
/// KiB in chunks of 8 KiB, and more CPU.
const STREAM_QUALITY: RangeInclusive<u32> = 2..=6;

/// Brotli's window for streams: 256 KiB.
const STREAM_WINDOW_BITS: u32 = 18;

/// Brotli's windows for whole bodies: the smallest that holds the body. A needlessly large one
/// costs its allocation (22 bits at 100 KiB: four times the memory, 1.7 times the CPU of 17). Not
/// below 17 bits, because the crate then falls back from the hash tables made for qualities 5 to 8
/// to one of 32 MiB: at 16 KiB that is 25 times the memory and 16 times the CPU.
const WHOLE_WINDOW_BITS: RangeInclusive<u32> = 17..=22;

/// A body on its way through a coding. Every byte pushed comes out once, in order, in the results
/// of [`push`](Self::push) and [`finish`](Self::finish). Dropping it unfinished is fine: the coded
/// body then has no end, and no decoder takes it for whole.
pub struct Encoder {
    inner: Inner,
    /// Something was pushed since the last flush. A flush costs a few bytes each time.
    unflushed: bool,
}

enum Inner {
    Brotli(Brotli),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    /// An encoder for a body that comes in pieces.
    #[must_use]
    pub fn new(coding: Coding, levels: &Levels) -> Self {
        let inner = match coding {
            Coding::Brotli => {
                let quality = levels
                    .br
                    .clamp(*STREAM_QUALITY.start(), *STREAM_QUALITY.end());
                Inner::Brotli(Brotli::new(quality, STREAM_WINDOW_BITS, 0))
            }
            Coding::Gzip => Inner::Gzip(GzEncoder::new(Vec::new(), gzip_level(levels))),
        };
        Self {
            inner,
            unflushed: false,
        }
    }

    /// Takes a piece of the body and gives what came out so far, often nothing. With `flush` the
    /// client can decode everything pushed up to here from what it has got.
    ///
    /// # Errors
    /// When the encoder fails. The response cannot be mended then and must end visibly broken.
    pub fn push(&mut self, chunk: &[u8], flush: bool) -> io::Result<Bytes> {
        self.unflushed |= !chunk.is_empty();
        let flush = flush && self.unflushed;
        if chunk.is_empty() && !flush {
            return Ok(Bytes::new());
        }
        self.unflushed &= !flush;
        match &mut self.inner {
            Inner::Brotli(brotli) => {
                let operation = if flush {
                    Operation::BROTLI_OPERATION_FLUSH
                } else {
                    Operation::BROTLI_OPERATION_PROCESS
                };
                let mut out = Vec::new();
                brotli.run(operation, chunk, &mut out)?;
                Ok(out.into())
            }
            Inner::Gzip(gzip) => {
                gzip.write_all(chunk)?;
                if flush {
                    gzip.flush()?;
                }
                Ok(std::mem::take(gzip.get_mut()).into())
            }
        }
    }

    /// Ends the body and gives the rest. Takes the encoder, so that this happens once.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn finish(self) -> io::Result<Bytes> {
        match self.inner {
            Inner::Brotli(mut brotli) => {
                let mut out = Vec::new();
                brotli.run(Operation::BROTLI_OPERATION_FINISH, &[], &mut out)?;
                Ok(out.into())
            }
            Inner::Gzip(gzip) => Ok(gzip.finish()?.into()),
        }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let coding = match self.inner {
            Inner::Brotli(_) => Coding::Brotli,
            Inner::Gzip(_) => Coding::Gzip,
        };
        f.debug_tuple("Encoder").field(&coding).finish()
    }
}

/// Codes a whole body at once, with tables sized for it. The result may be longer than the body
/// (random bytes, a few words); whether it is kept is the caller's choice. Takes milliseconds per
/// 100 KiB at high qualities (brotli 5: 2 ms, 9: 17 ms, 11: 130 ms), so mind the thread it runs on.
///
/// # Errors
/// When the encoder fails; the body itself is as good as before.
pub fn compress_whole(coding: Coding, levels: &Levels, body: &[u8]) -> io::Result<Bytes> {
    let mut out = Vec::with_capacity(body.len() / 3 + 64);
    match coding {
        Coding::Brotli => {
            let quality = levels.br.min(11);
            let mut brotli = Brotli::new(quality, whole_window_bits(body.len()), body.len());
            brotli.run(Operation::BROTLI_OPERATION_FINISH, body, &mut out)?;
        }
        Coding::Gzip => {
            let mut gzip = GzEncoder::new(out, gzip_level(levels));
            gzip.write_all(body)?;
            out = gzip.finish()?;
        }
    }
    // It is going to be kept: no spare capacity that nobody counts.
    Ok(out.into_boxed_slice().into())
}

fn gzip_level(levels: &Levels) -> Compression {
    Compression::new(levels.gzip.clamp(1, 9))
}

/// The smallest window that reaches across `length` bytes: of 2^bits bytes all but 16 count
/// (RFC 7932 §9.1).
fn whole_window_bits(length: usize) -> u32 {
    let enough = |bits: &u32| length <= (1 << bits) - 16;
    WHOLE_WINDOW_BITS
        .into_iter()
        .find(enough)
        .unwrap_or(*WHOLE_WINDOW_BITS.end())
}

/// Brotli without the crate's `CompressorWriter`, which swallows errors when it finishes and does so
/// even when dropped half-way.
struct Brotli(Box<BrotliEncoderStateStruct<StandardAlloc>>);

impl Brotli {
    /// `size_hint` is the body's length, 0 if unknown.
    fn new(quality: u32, window_bits: u32, size_hint: usize) -> Self {
        let mut state = Box::new(BrotliEncoderStateStruct::new(StandardAlloc::default()));
        let size_hint = u32::try_from(size_hint).unwrap_or(u32::MAX);
        state.set_parameter(Parameter::BROTLI_PARAM_QUALITY, quality);
        state.set_parameter(Parameter::BROTLI_PARAM_LGWIN, window_bits);
        state.set_parameter(Parameter::BROTLI_PARAM_SIZE_HINT, size_hint);
        Self(state)
    }

    /// Feeds all of `input`, completes `operation` and appends what comes out.
    fn run(&mut self, operation: Operation, input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let (mut left, mut at) = (input.len(), 0);
        loop {
            let before = left;
            // No room for output on purpose: it is taken from the encoder's own buffer below.
            let done = self.0.compress_stream(
                operation,
                &mut left,
                input,
                &mut at,
                &mut 0,
                &mut [],
                &mut 0,
                &mut None,
                &mut |_, _, _, _| (),
            );
            if !done {
                return Err(io::Error::other("the brotli encoder failed"));
            }
            let mut length = 0;
            let made = self.0.take_output(&mut length);
            out.extend_from_slice(&made[..length]);
            // A call may stop with the flush still due because output was in its way, so only a
            // call that had nothing to do and nothing to say is the last.
            if left == 0 && length == 0 {
                return Ok(());
            }
            if left == before && length == 0 {
                return Err(io::Error::other("the brotli encoder is stuck"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
