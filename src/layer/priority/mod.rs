//! The priorities of requests and responses (RFC 9218).

mod client;
mod policy;
mod server;

use std::fmt::Display;

use http::header::{HeaderMap, HeaderName, HeaderValue};

pub use self::client::{ClientPriorityFuture, ClientPriorityLayer, ClientPriorityService};
pub use self::server::{PriorityFuture, PriorityLayer, PriorityService};
use crate::proto::priority_field::PriorityField;

/// The field of RFC 9218, section 5.
static PRIORITY: HeaderName = HeaderName::from_static("priority");

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What the `priority` field says, all its lines together.
fn priority_field(headers: &HeaderMap) -> PriorityField {
    let lines = headers.get_all(&PRIORITY).iter();
    PriorityField::parse_lines(lines.map(HeaderValue::as_bytes))
}

fn set_priority_field(headers: &mut HeaderMap, value: impl Display) {
    // A printed priority is always a valid value.
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        headers.insert(&PRIORITY, value);
    }
}

/// Whether an intermediary has passed a request on.
fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::VIA)
        || headers.contains_key(http::header::FORWARDED)
        || headers.contains_key(&X_FORWARDED_FOR)
}

#[cfg(test)]
mod tests;
