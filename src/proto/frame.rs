//! Whole frames: what a caller hands in to be sent.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::head::{Flags, FrameType, Head, StreamId};
use super::priority_update::{PriorityUpdate, PriorityUpdateError};

/// The frame size that every endpoint takes, and the least that
/// `SETTINGS_MAX_FRAME_SIZE` may say (RFC 9113, section 6.5.2).
pub(crate) const DEFAULT_MAX_FRAME_SIZE: u32 = 16_384;

/// The octets that start every HTTP/2 connection of a client
/// (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length field of a padded frame's padding.
const PAD_LENGTH: usize = 1;

/// Why a frame cannot be sent: the caller asked for something that HTTP/2 does
/// not have. Nothing of it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A stream identifier has 31 bits.
    #[error("stream identifier {0} is larger than 2^31 - 1")]
    StreamIdTooLarge(u32),
    /// The frame type belongs to a stream, but stream 0 was given.
    #[error("{0} belongs to a stream, but stream 0 was given")]
    NeedsStream(FrameType),
    /// The frame type belongs to the connection, but a stream was given.
    #[error("{kind} belongs to the connection (stream 0), but stream {stream} was given")]
    NeedsConnection {
        /// The type of the frame.
        kind: FrameType,
        /// The stream that was given.
        stream: StreamId,
    },
    /// The 24-bit length field cannot hold the payload's length.
    #[error("a payload of {0} octets is larger than 2^24 - 1")]
    PayloadTooLarge(usize),
    /// The payload exceeds the peer's `SETTINGS_MAX_FRAME_SIZE`, and a frame of
    /// this type cannot be cut.
    #[error("a {kind} payload of {length} octets is over the peer's limit of {limit}")]
    OverLimit {
        /// The type of the frame.
        kind: FrameType,
        /// Octets in the payload.
        length: usize,
        /// The peer's `SETTINGS_MAX_FRAME_SIZE`.
        limit: u32,
    },
    /// `SETTINGS_MAX_FRAME_SIZE` is from 16,384 to 2^24 - 1.
    #[error("a maximum frame size of {0} is not between 16384 and 2^24 - 1")]
    MaxFrameSize(u32),
    /// A type whose payload has a fixed size was given another one.
    #[error("{kind} needs a payload of {needs}, but {length} octets were given")]
    PayloadSize {
        /// The type of the frame.
        kind: FrameType,
        /// What the RFC asks for, in words.
        needs: &'static str,
        /// Octets that were given.
        length: usize,
    },
    /// The length of padding is one octet on the wire.
    #[error("padding of {0} octets is over the limit of 255")]
    PaddingTooLong(usize),
    /// The padding would fill the whole payload, or more than that.
    #[error("padding of {padding} octets does not fit a payload of {length}")]
    PaddingOverPayload {
        /// Octets of padding that the frame claims.
        padding: usize,
        /// Octets in the payload.
        length: usize,
    },
    /// The region does not lie inside its source.
    #[error("the region of {length} octets at {offset} does not lie in a source of {size}")]
    RegionOutside {
        /// Where the region starts.
        offset: u64,
        /// Octets in the region.
        length: u64,
        /// Octets in the source.
        size: u64,
    },
    /// The source of a region gave another number of octets than it was asked
    /// for.
    #[error("a source was asked for {asked} octets, but gave {given}")]
    SourceLength {
        /// Octets that it was asked for.
        asked: u64,
        /// Octets that it gave.
        given: u64,
    },
    /// Too much waits to be written: flush, then try again.
    #[error("{length} octets do not fit a queue that holds {queued} of {bound}")]
    QueueFull {
        /// Octets of the frame, with its head.
        length: u64,
        /// Octets that are queued.
        queued: u64,
        /// Octets that may be queued.
        bound: u64,
    },
    /// A header block has to be handed in whole.
    #[error("a header block in pieces cannot be queued: hand it in whole, it is cut as needed")]
    HeaderBlockInPieces,
    /// `END_STREAM` was already given for this stream, or it was reset.
    #[error("stream {0} has already ended: END_STREAM or RST_STREAM came before this frame")]
    StreamEnded(StreamId),
}

/// Whether a frame is the last of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndStream {
    /// The stream ends here.
    Yes,
    /// More is to come.
    No,
}

impl EndStream {
    pub(crate) const fn flag(self) -> Flags {
        match self {
            Self::Yes => Flags::END_STREAM,
            Self::No => Flags::NONE,
        }
    }

    pub(crate) const fn is_yes(self) -> bool {
        matches!(self, Self::Yes)
    }
}

/// Padding of a DATA frame (RFC 9113, section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Padding {
    /// The frame is not padded.
    #[default]
    None,
    /// This many octets of zeros after the data, at most 255. The frame takes
    /// one octet more than that, for the length. Flow control counts both.
    Octets(u16),
}

/// A whole frame.
///
/// The constructors make each type well-formed; [`Frame::extension`] makes any
/// type that RFC 9113 does not define.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    kind: FrameType,
    flags: Flags,
    stream: StreamId,
    payload: Bytes,
}

impl Frame {
    /// A frame of any type from its parts. What it holds is checked when it is
    /// sent.
    #[must_use]
    pub fn from_parts(
        kind: FrameType,
        flags: Flags,
        stream: StreamId,
        payload: impl Into<Bytes>,
    ) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.into(),
        }
    }

    /// Unpadded DATA.
    #[must_use]
    pub fn data(stream: StreamId, payload: impl Into<Bytes>, end: EndStream) -> Self {
        Self::from_parts(FrameType::DATA, end.flag(), stream, payload)
    }

    /// HEADERS with a whole HPACK-encoded header block. A block over the peer's
    /// frame size is sent as HEADERS and CONTINUATION.
    #[must_use]
    pub fn headers(stream: StreamId, block: impl Into<Bytes>, end: EndStream) -> Self {
        let flags = end.flag().with(Flags::END_HEADERS);
        Self::from_parts(FrameType::HEADERS, flags, stream, block)
    }

    /// `RST_STREAM` with an error code (RFC 9113, section 7).
    #[must_use]
    pub fn rst_stream(stream: StreamId, code: u32) -> Self {
        let payload = Bytes::copy_from_slice(&code.to_be_bytes());
        Self::from_parts(FrameType::RST_STREAM, Flags::NONE, stream, payload)
    }

    /// SETTINGS with these parameters, identifier and value, in this order.
    #[must_use]
    pub fn settings(parameters: impl IntoIterator<Item = (u16, u32)>) -> Self {
        let mut payload = BytesMut::new();
        for (id, value) in parameters {
            payload.put_u16(id);
            payload.put_u32(value);
        }
        Self::connection(FrameType::SETTINGS, Flags::NONE, payload.freeze())
    }

    /// The acknowledgement of a SETTINGS frame.
    #[must_use]
    pub fn settings_ack() -> Self {
        Self::connection(FrameType::SETTINGS, Flags::ACK, Bytes::new())
    }

    /// PING. The peer answers with the same payload.
    #[must_use]
    pub fn ping(payload: [u8; 8]) -> Self {
        let payload = Bytes::copy_from_slice(&payload);
        Self::connection(FrameType::PING, Flags::NONE, payload)
    }

    /// The answer to a PING.
    #[must_use]
    pub fn ping_ack(payload: [u8; 8]) -> Self {
        let payload = Bytes::copy_from_slice(&payload);
        Self::connection(FrameType::PING, Flags::ACK, payload)
    }

    /// GOAWAY with the last stream that was processed, an error code and debug
    /// data for people to read.
    #[must_use]
    pub fn goaway(last: StreamId, code: u32, debug_data: &[u8]) -> Self {
        let mut payload = BytesMut::with_capacity(8 + debug_data.len());
        payload.put_u32(last.get());
        payload.put_u32(code);
        payload.put_slice(debug_data);
        Self::connection(FrameType::GOAWAY, Flags::NONE, payload.freeze())
    }

    /// `WINDOW_UPDATE`, of a stream or (stream 0) of the connection.
    #[must_use]
    pub fn window_update(stream: StreamId, increment: u32) -> Self {
        let payload = Bytes::copy_from_slice(&increment.to_be_bytes());
        Self::from_parts(FrameType::WINDOW_UPDATE, Flags::NONE, stream, payload)
    }

    /// `PRIORITY_UPDATE` for a stream (RFC 9218, section 7.1). It is a client's
    /// to send: a client that receives one ends the connection. `field` prints
    /// the Priority Field Value, in ASCII: a [`Priority`](crate::Priority), or
    /// text as in `u=1, i`, which may have parameters of other RFCs.
    #[must_use]
    pub fn priority_update(prioritized: StreamId, field: impl fmt::Display) -> Self {
        let field = field.to_string();
        let mut payload = BytesMut::with_capacity(4 + field.len());
        payload.put_u32(prioritized.get());
        payload.put_slice(field.as_bytes());
        Self::connection(FrameType::PRIORITY_UPDATE, Flags::NONE, payload.freeze())
    }

    /// ORIGIN: the origins, in ASCII, that the connection serves
    /// (RFC 8336, section 2.1).
    ///
    /// # Errors
    ///
    /// [`FrameError::PayloadTooLarge`] for an origin over 65,535 octets.
    pub fn origin<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, FrameError> {
        let mut payload = BytesMut::new();
        for origin in origins {
            payload.put_u16(length_u16(origin)?);
            payload.put_slice(origin.as_bytes());
        }
        Ok(Self::connection(
            FrameType::ORIGIN,
            Flags::NONE,
            payload.freeze(),
        ))
    }

    /// ALTSVC: an alternative service for an origin, or with an empty origin
    /// for the one of the stream (RFC 7838, section 4).
    ///
    /// # Errors
    ///
    /// [`FrameError::PayloadTooLarge`] for an origin over 65,535 octets.
    pub fn altsvc(stream: StreamId, origin: &str, value: &str) -> Result<Self, FrameError> {
        let mut payload = BytesMut::with_capacity(2 + origin.len() + value.len());
        payload.put_u16(length_u16(origin)?);
        payload.put_slice(origin.as_bytes());
        payload.put_slice(value.as_bytes());
        let payload = payload.freeze();
        Ok(Self::from_parts(
            FrameType::ALTSVC,
            Flags::NONE,
            stream,
            payload,
        ))
    }

    /// A frame of a type that RFC 9113 does not define. A peer that does not
    /// know the type ignores it.
    #[must_use]
    pub fn extension(
        kind: FrameType,
        flags: Flags,
        stream: StreamId,
        payload: impl Into<Bytes>,
    ) -> Self {
        Self::from_parts(kind, flags, stream, payload)
    }

    fn connection(kind: FrameType, flags: Flags, payload: Bytes) -> Self {
        Self::from_parts(kind, flags, StreamId::CONNECTION, payload)
    }

    /// The type of the frame.
    #[must_use]
    pub fn kind(&self) -> FrameType {
        self.kind
    }

    /// Its flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The stream that it belongs to.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Its payload: what follows the head.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// What the frame says if it is a `PRIORITY_UPDATE`, and `None` if it is of
    /// another type.
    #[must_use]
    pub fn as_priority_update(&self) -> Option<Result<PriorityUpdate, PriorityUpdateError>> {
        (self.kind == FrameType::PRIORITY_UPDATE)
            .then(|| PriorityUpdate::parse(self.stream, &self.payload))
    }

    pub(crate) fn into_payload(self) -> Bytes {
        self.payload
    }

    /// The head that goes before the payload.
    ///
    /// # Errors
    ///
    /// [`FrameError::PayloadTooLarge`] if the length field cannot hold it.
    pub fn head(&self) -> Result<Head, FrameError> {
        let length = u32::try_from(self.payload.len())
            .ok()
            .filter(|&length| length <= Head::MAX_LENGTH)
            .ok_or(FrameError::PayloadTooLarge(self.payload.len()))?;
        Ok(Head {
            length,
            kind: self.kind,
            flags: self.flags,
            stream: self.stream,
        })
    }

    /// Checks what RFC 9113, section 6, asks of the frame's stream, length and
    /// padding. Frames of other types are only checked for their length.
    pub(crate) fn validate(&self) -> Result<Head, FrameError> {
        let head = self.head()?;
        let length = self.payload.len();
        let size = |ok: bool, needs: &'static str| {
            ok.then_some(()).ok_or(FrameError::PayloadSize {
                kind: self.kind,
                needs,
                length,
            })
        };
        match self.kind {
            FrameType::DATA
            | FrameType::HEADERS
            | FrameType::PRIORITY
            | FrameType::RST_STREAM
            | FrameType::PUSH_PROMISE
            | FrameType::CONTINUATION
                if self.stream.is_connection() =>
            {
                return Err(FrameError::NeedsStream(self.kind));
            }
            FrameType::SETTINGS
            | FrameType::PING
            | FrameType::GOAWAY
            | FrameType::ORIGIN
            | FrameType::PRIORITY_UPDATE
                if !self.stream.is_connection() =>
            {
                return Err(FrameError::NeedsConnection {
                    kind: self.kind,
                    stream: self.stream,
                });
            }
            _ => {}
        }
        match self.kind {
            FrameType::PRIORITY => size(length == 5, "5 octets")?,
            FrameType::HEADERS if self.flags.contains(Flags::PRIORITY) => {
                size(length >= 5, "at least 5 octets with the PRIORITY flag")?;
            }
            FrameType::RST_STREAM => size(length == 4, "4 octets")?,
            FrameType::WINDOW_UPDATE => size(length == 4, "4 octets")?,
            FrameType::PING => size(length == 8, "8 octets")?,
            FrameType::GOAWAY => size(length >= 8, "at least 8 octets")?,
            FrameType::PUSH_PROMISE => size(length >= 4, "at least 4 octets")?,
            FrameType::PRIORITY_UPDATE => size(length >= 4, "at least 4 octets")?,
            FrameType::SETTINGS if self.flags.contains(Flags::ACK) => {
                size(length == 0, "0 octets in an acknowledgement")?;
            }
            FrameType::SETTINGS => size(length.is_multiple_of(6), "6 octets a parameter")?,
            _ => {}
        }
        if let Some(Err(PriorityUpdateError::NoStream)) = self.as_priority_update() {
            return Err(FrameError::NeedsStream(self.kind));
        }
        if self.flags.contains(Flags::PADDED)
            && matches!(
                self.kind,
                FrameType::DATA | FrameType::HEADERS | FrameType::PUSH_PROMISE
            )
        {
            let padding = self.payload.first().copied().map(usize::from);
            let overhead = PAD_LENGTH
                + match self.kind {
                    FrameType::HEADERS if self.flags.contains(Flags::PRIORITY) => 5,
                    FrameType::PUSH_PROMISE => 4,
                    _ => 0,
                };
            if padding.is_none_or(|padding| overhead + padding > length) {
                return Err(FrameError::PaddingOverPayload {
                    padding: padding.unwrap_or(0),
                    length,
                });
            }
        }
        Ok(head)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("kind", &self.kind)
            .field("flags", &self.flags)
            .field("stream", &self.stream.get())
            .field("length", &self.payload.len())
            .finish()
    }
}

fn length_u16(text: &str) -> Result<u16, FrameError> {
    u16::try_from(text.len()).map_err(|_| FrameError::PayloadTooLarge(text.len()))
}

#[cfg(test)]
mod tests;
