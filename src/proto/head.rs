//! The 9-octet frame head (RFC 9113, section 4.1).

use std::fmt;

use super::frame::FrameError;

/// A stream identifier: 31 bits, 0 for the connection itself
/// (RFC 9113, section 5.1.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u32);

impl StreamId {
    /// The connection: stream 0.
    pub const CONNECTION: Self = Self(0);

    /// The largest identifier, 2^31 - 1.
    pub const MAX: Self = Self(MASK);

    /// A stream identifier, or `None` if `id` needs more than 31 bits.
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        if id <= MASK { Some(Self(id)) } else { None }
    }

    /// The identifier that stands in a 32-bit field of the wire; the reserved
    /// bit is ignored, as the RFC asks.
    #[must_use]
    pub const fn from_wire(field: u32) -> Self {
        Self(field & MASK)
    }

    /// The identifier as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether this is stream 0, the connection.
    #[must_use]
    pub const fn is_connection(self) -> bool {
        self.0 == 0
    }
}

const MASK: u32 = (1 << 31) - 1;

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.0)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u32> for StreamId {
    type Error = FrameError;

    fn try_from(id: u32) -> Result<Self, FrameError> {
        Self::new(id).ok_or(FrameError::StreamIdTooLarge(id))
    }
}

impl From<StreamId> for u32 {
    fn from(id: StreamId) -> Self {
        id.0
    }
}

/// A frame type: the ten of RFC 9113, section 6, the extensions that this crate
/// knows by name, and every other value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameType(pub u8);

impl FrameType {
    /// DATA (RFC 9113, section 6.1).
    pub const DATA: Self = Self(0x0);
    /// HEADERS (RFC 9113, section 6.2).
    pub const HEADERS: Self = Self(0x1);
    /// PRIORITY (RFC 9113, section 6.3; deprecated).
    pub const PRIORITY: Self = Self(0x2);
    /// `RST_STREAM` (RFC 9113, section 6.4).
    pub const RST_STREAM: Self = Self(0x3);
    /// SETTINGS (RFC 9113, section 6.5).
    pub const SETTINGS: Self = Self(0x4);
    /// `PUSH_PROMISE` (RFC 9113, section 6.6).
    pub const PUSH_PROMISE: Self = Self(0x5);
    /// PING (RFC 9113, section 6.7).
    pub const PING: Self = Self(0x6);
    /// GOAWAY (RFC 9113, section 6.8).
    pub const GOAWAY: Self = Self(0x7);
    /// `WINDOW_UPDATE` (RFC 9113, section 6.9).
    pub const WINDOW_UPDATE: Self = Self(0x8);
    /// CONTINUATION (RFC 9113, section 6.10).
    pub const CONTINUATION: Self = Self(0x9);
    /// ALTSVC (RFC 7838, section 4).
    pub const ALTSVC: Self = Self(0xa);
    /// ORIGIN (RFC 8336, section 2).
    pub const ORIGIN: Self = Self(0xc);
    /// `PRIORITY_UPDATE` (RFC 9218, section 7.1).
    pub const PRIORITY_UPDATE: Self = Self(0x10);

    /// The name that the RFC gives this type, or `None` for an unknown one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::DATA => "DATA",
            Self::HEADERS => "HEADERS",
            Self::PRIORITY => "PRIORITY",
            Self::RST_STREAM => "RST_STREAM",
            Self::SETTINGS => "SETTINGS",
            Self::PUSH_PROMISE => "PUSH_PROMISE",
            Self::PING => "PING",
            Self::GOAWAY => "GOAWAY",
            Self::WINDOW_UPDATE => "WINDOW_UPDATE",
            Self::CONTINUATION => "CONTINUATION",
            Self::ALTSVC => "ALTSVC",
            Self::ORIGIN => "ORIGIN",
            Self::PRIORITY_UPDATE => "PRIORITY_UPDATE",
            _ => return None,
        })
    }

    /// Whether this is one of the ten types of RFC 9113, whose state belongs to
    /// the HTTP/2 stack.
    #[must_use]
    pub const fn is_core(self) -> bool {
        self.0 <= Self::CONTINUATION.0
    }
}

impl fmt::Debug for FrameType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for FrameType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:02x}", self.0),
        }
    }
}

/// The flags of a frame. What a bit means depends on the frame type.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag is set.
    pub const NONE: Self = Self(0);
    /// `END_STREAM`, on DATA and HEADERS.
    pub const END_STREAM: Self = Self(0x1);
    /// ACK, on SETTINGS and PING.
    pub const ACK: Self = Self(0x1);
    /// `END_HEADERS`, on HEADERS, `PUSH_PROMISE` and CONTINUATION.
    pub const END_HEADERS: Self = Self(0x4);
    /// PADDED, on DATA, HEADERS and `PUSH_PROMISE`.
    pub const PADDED: Self = Self(0x8);
    /// PRIORITY, on HEADERS.
    pub const PRIORITY: Self = Self(0x20);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags, but none of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags(0x{:02x})", self.0)
    }
}

/// A frame head: what the first 9 octets of every frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Octets of payload that follow, at most 2^24 - 1.
    pub length: u32,
    /// The type of the frame.
    pub kind: FrameType,
    /// Its flags.
    pub flags: Flags,
    /// The stream that it belongs to.
    pub stream: StreamId,
}

impl Head {
    /// Octets of a head on the wire.
    pub const LEN: usize = 9;

    /// The largest payload length that the 24-bit field can say.
    pub const MAX_LENGTH: u32 = (1 << 24) - 1;

    /// Reads a head: two overlapping loads and shifts, no branch.
    #[inline]
    #[must_use]
    pub fn decode(octets: &[u8; Self::LEN]) -> Self {
        let [a, b, c, d, e, f, g, h, i] = *octets;
        let front = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let back = u32::from_be_bytes([f, g, h, i]);
        Self {
            length: (front >> 40) as u32,
            kind: FrameType((front >> 32) as u8),
            flags: Flags((front >> 24) as u8),
            stream: StreamId::from_wire(back),
        }
    }

    /// Writes a head. The reserved bit is 0.
    #[inline]
    #[must_use]
    pub fn encode(self) -> [u8; Self::LEN] {
        debug_assert!(self.length <= Self::MAX_LENGTH);
        let front = (u64::from(self.length) << 40)
            | (u64::from(self.kind.0) << 32)
            | (u64::from(self.flags.0) << 24)
            | u64::from(self.stream.get() >> 8);
        let [a, b, c, d, e, f, g, h] = front.to_be_bytes();
        [a, b, c, d, e, f, g, h, self.stream.get() as u8]
    }

    /// Octets of the whole frame on the wire: the head and its payload.
    #[must_use]
    pub const fn wire_len(self) -> u64 {
        Self::LEN as u64 + self.length as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(o: &[u8; 9]) -> Head {
        Head {
            length: u32::from(o[0]) * 65_536 + u32::from(o[1]) * 256 + u32::from(o[2]),
            kind: FrameType(o[3]),
            flags: Flags(o[4]),
            stream: StreamId(
                u32::from(o[5] & 0x7f) * 16_777_216
                    + u32::from(o[6]) * 65_536
                    + u32::from(o[7]) * 256
                    + u32::from(o[8]),
            ),
        }
    }

    proptest! {
        #[test]
        fn decode_agrees_with_a_naive_decoder(octets: [u8; 9]) {
            prop_assert_eq!(Head::decode(&octets), naive(&octets));
        }

        #[test]
        fn encode_undoes_decode_but_for_the_reserved_bit(octets: [u8; 9]) {
            let mut expected = octets;
            expected[5] &= 0x7f;
            prop_assert_eq!(Head::decode(&octets).encode(), expected);
        }
    }

    #[test]
    fn identifiers_hold_31_bits() {
        assert_eq!(StreamId::new(1 << 31), None);
        assert_eq!(StreamId::new(StreamId::MAX.get()), Some(StreamId::MAX));
        assert_eq!(StreamId::from_wire(u32::MAX), StreamId::MAX);
        assert!(StreamId::try_from(u32::MAX).is_err());
    }

    #[test]
    fn types_print_their_names() {
        assert_eq!(FrameType::PRIORITY_UPDATE.to_string(), "PRIORITY_UPDATE");
        assert_eq!(FrameType(0xbe).to_string(), "0xbe");
        assert!(FrameType::CONTINUATION.is_core());
        assert!(!FrameType::ALTSVC.is_core());
    }
}
