//! Frames and header blocks, right or wrong.

use framewright::FrameType;

#[allow(unused_imports)]
pub(crate) use crate::raw::{frame, settings, update, window_update};

pub(crate) const PADDED: u8 = 0x8;
pub(crate) const PRIORITY: u8 = 0x20;
pub(crate) const ES: u8 = crate::raw::END_STREAM;
pub(crate) const EH: u8 = crate::raw::END_HEADERS;
/// A whole message.
pub(crate) const ALL: u8 = ES | EH;

// Error codes (RFC 9113, section 7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL: u32 = 1;
pub(crate) const INTERNAL: u32 = 2;
pub(crate) const FLOW: u32 = 3;
pub(crate) const SETTINGS_TIMEOUT: u32 = 4;
pub(crate) const CLOSED: u32 = 5;
pub(crate) const SIZE: u32 = 6;
pub(crate) const REFUSED: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const COMPRESSION: u32 = 9;
pub(crate) const CALM: u32 = 11;

pub(crate) fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(FrameType::HEADERS, flags, stream, block)
}

pub(crate) fn continuation(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(FrameType::CONTINUATION, flags, stream, block)
}

pub(crate) fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(FrameType::DATA, flags, stream, payload)
}

pub(crate) fn rst(stream: u32, code: u32) -> Vec<u8> {
    frame(FrameType::RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(crate) fn ping(payload: [u8; 8]) -> Vec<u8> {
    frame(FrameType::PING, 0, 0, &payload)
}

pub(crate) fn goaway(last: u32, code: u32, debug: &[u8]) -> Vec<u8> {
    let payload = [&last.to_be_bytes(), &code.to_be_bytes(), debug].concat();
    frame(FrameType::GOAWAY, 0, 0, &payload)
}

pub(crate) fn priority(stream: u32, on: u32, weight: u8) -> Vec<u8> {
    let payload = [&on.to_be_bytes()[..], &[weight]].concat();
    frame(FrameType::PRIORITY, 0, stream, &payload)
}

pub(crate) fn push_promise(stream: u32, promised: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let payload = [&promised.to_be_bytes(), block].concat();
    frame(FrameType::PUSH_PROMISE, flags, stream, &payload)
}

/// A frame of a type that nobody knows.
pub(crate) fn unknown(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(FrameType(0xbe), flags, stream, payload)
}

/// Nothing but the head of a frame.
pub(crate) fn head(length: u32, kind: FrameType, flags: u8, stream: u32) -> Vec<u8> {
    let mut octets = length.to_be_bytes()[1..].to_vec();
    octets.extend([kind.0, flags]);
    octets.extend(stream.to_be_bytes());
    octets
}

/// Batches in one.
#[expect(clippy::needless_pass_by_value, reason = "what is made there and then")]
pub(crate) fn all<const N: usize>(parts: [Vec<u8>; N]) -> Vec<u8> {
    parts.concat()
}

/// With padding, and the octet that says how much.
pub(crate) fn padded(octets: &[u8], padding: u8) -> Vec<u8> {
    let mut payload = vec![padding];
    payload.extend(octets);
    payload.resize(payload.len() + usize::from(padding), 0);
    payload
}

/// A number with a prefix (RFC 7541, section 5.1).
pub(crate) fn number(first: u8, bits: u32, mut value: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![first | value as u8];
    }
    let mut octets = vec![first | most as u8];
    value -= most;
    while value >= 128 {
        octets.push(value as u8 | 0x80);
        value >>= 7;
    }
    octets.push(value as u8);
    octets
}

/// A string literal, not Huffman-coded.
pub(crate) fn string(octets: &[u8]) -> Vec<u8> {
    [number(0, 7, octets.len()), octets.to_vec()].concat()
}

/// Fields as literals with names of their own and without indexing.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let line = |(name, value): &(&str, &str)| {
        [vec![0], string(name.as_bytes()), string(value.as_bytes())].concat()
    };
    fields.iter().flat_map(line).collect()
}

/// The pseudo-header fields of a GET, or of a POST, of `path`.
pub(crate) fn request(method: &str, path: &str) -> Vec<u8> {
    fields(&[
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
    ])
}

/// A whole GET.
pub(crate) fn get(stream: u32) -> Vec<u8> {
    get_of(stream, "/")
}

pub(crate) fn get_of(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, ALL, &request("GET", path))
}

/// A GET with more fields.
pub(crate) fn get_with(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    headers(stream, ALL, &[request("GET", "/"), fields(more)].concat())
}

/// The head of a POST.
pub(crate) fn post(stream: u32) -> Vec<u8> {
    post_of(stream, "/")
}

pub(crate) fn post_of(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, EH, &request("POST", path))
}

pub(crate) fn post_with(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    headers(stream, EH, &[request("POST", "/"), fields(more)].concat())
}

/// The head of a response, 200, and some fields.
pub(crate) fn ok(stream: u32, flags: u8, more: &[(&str, &str)]) -> Vec<u8> {
    headers(stream, flags, &[vec![0x88], fields(more)].concat())
}

/// The head of a response with this status.
pub(crate) fn status(stream: u32, flags: u8, code: &str) -> Vec<u8> {
    headers(stream, flags, &fields(&[(":status", code)]))
}
