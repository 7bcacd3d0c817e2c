//! Fixtures that read aloud: `Sidecar::with(yaml).origin(&origin).start()`.

mod app;
mod body;
mod client;
mod config;
mod decode;
mod gate;
mod h2c;
mod head;
mod origin;
mod reply;
mod request;
mod scrape;
mod sidecar;
mod soak;
mod wait;
mod wire;

pub use app::{App, python};
pub use body::Ending;
pub use client::{Connection, Response};
pub use decode::{StreamDecoder, decoded, decoded_as};
pub use gate::Gate;
pub use h2c::{H2Response, H2c};
pub use origin::{Asked, Origin};
pub use reply::Reply;
pub use request::Request;
pub use scrape::Scrape;
pub use sidecar::Sidecar;
pub use soak::{Dice, soak};
pub use wait::{PATIENCE, eventually, think, ticks, within};

/// The host that clients of these tests ask for.
pub const HOST: &str = "app.test";
