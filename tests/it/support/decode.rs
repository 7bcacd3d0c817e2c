//! Undoing a content coding, whole or as the bytes come.

use super::client::Response;
use std::io::Write;

/// The body of a response after its `Content-Encoding` is undone.
#[track_caller]
pub fn decoded(response: &Response) -> Vec<u8> {
    decoded_as(response.header("content-encoding"), &response.body)
}

#[track_caller]
pub fn decoded_as(coding: Option<&str>, body: &[u8]) -> Vec<u8> {
    let Some(coding) = coding else {
        return body.to_vec();
    };
    let mut decoder = StreamDecoder::new(coding);
    decoder.push(body);
    decoder.finish()
}

pub enum StreamDecoder {
    Brotli(Box<brotli::DecompressorWriter<Vec<u8>>>),
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
}

impl StreamDecoder {
    #[track_caller]
    pub fn new(coding: &str) -> Self {
        match coding {
            "br" => Self::Brotli(Box::new(brotli::DecompressorWriter::new(
                Vec::new(),
                64 * 1024,
            ))),
            "gzip" => Self::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            other => panic!("a coding that nobody asked for: {other:?}"),
        }
    }

    /// Takes coded bytes; everything that a reader could know by now is in the returned slice.
    #[track_caller]
    pub fn push(&mut self, coded: &[u8]) -> &[u8] {
        match self {
            Self::Brotli(decoder) => {
                decoder.write_all(coded).expect("valid brotli");
                decoder.flush().expect("a Vec takes everything");
                decoder.get_ref()
            }
            Self::Gzip(decoder) => {
                decoder.write_all(coded).expect("valid gzip");
                decoder.flush().expect("valid gzip");
                decoder.get_ref()
            }
        }
    }

    /// Everything, and a failure if the coded stream has no proper end.
    #[track_caller]
    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Brotli(mut decoder) => {
                decoder.close().expect("the brotli stream has its end");
                decoder
                    .into_inner()
                    .unwrap_or_else(|_| panic!("brotli with an end"))
            }
            Self::Gzip(decoder) => decoder.finish().expect("the gzip stream has its end"),
        }
    }
}
