//! `PRIORITY_UPDATE` from the wire (RFC 9218, section 7.1).

use super::head::StreamId;
use super::priority_field::PriorityField;

/// Octets of the prioritized stream's identifier.
const PRIORITIZED: usize = 4;

/// What a `PRIORITY_UPDATE` frame says (RFC 9218, section 7.1): a client's new
/// priority for a stream, which may not even be open yet.
///
/// The frame is a client's to send. A client that receives one ends the
/// connection with `PROTOCOL_ERROR`, whatever is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityUpdate {
    stream: StreamId,
    field: PriorityField,
}

impl PriorityUpdate {
    /// Reads the payload of a frame that stands on stream `on`.
    ///
    /// A field value that cannot be read is one with no parameters, which is
    /// the default priority.
    ///
    /// # Errors
    ///
    /// Each of [`PriorityUpdateError`] is an error of the connection.
    pub fn parse(on: StreamId, payload: &[u8]) -> Result<Self, PriorityUpdateError> {
        // RFC 9218, section 7.1: "Receiving a PRIORITY_UPDATE frame with a field
        // of any other value [than 0x0] MUST be treated as a connection error of
        // type PROTOCOL_ERROR."
        if !on.is_connection() {
            return Err(PriorityUpdateError::OnStream(on));
        }
        // RFC 9113, section 4.2: a frame "too small to contain mandatory frame
        // data".
        let Some((prioritized, field)) = payload.split_first_chunk::<PRIORITIZED>() else {
            return Err(PriorityUpdateError::TooShort(payload.len()));
        };
        // "If a PRIORITY_UPDATE frame is received with a prioritized stream ID of
        // 0x0, the recipient MUST respond with a connection error of type
        // PROTOCOL_ERROR." The reserved bit before it "MUST be ignored".
        let stream = StreamId::from_wire(u32::from_be_bytes(*prioritized));
        if stream.is_connection() {
            return Err(PriorityUpdateError::NoStream);
        }
        let field = PriorityField::parse(field);
        Ok(Self { stream, field })
    }

    /// The stream whose priority it is.
    #[must_use]
    pub const fn stream(self) -> StreamId {
        self.stream
    }

    /// Its new priority: what this does not name has its default, whatever it
    /// was before.
    #[must_use]
    pub const fn field(self) -> PriorityField {
        self.field
    }
}

/// Why a received `PRIORITY_UPDATE` ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriorityUpdateError {
    /// It stands on a stream, not on the connection.
    #[error("PRIORITY_UPDATE belongs to the connection (stream 0), but came on stream {0}")]
    OnStream(StreamId),
    /// Its payload, of this many octets, does not even hold an identifier.
    #[error("a PRIORITY_UPDATE payload of {0} octets is shorter than 4")]
    TooShort(usize),
    /// The stream that it prioritizes is stream 0, the connection.
    #[error("PRIORITY_UPDATE prioritizes stream 0, the connection")]
    NoStream,
}

impl PriorityUpdateError {
    /// The code for GOAWAY (RFC 9113, section 7): `FRAME_SIZE_ERROR` (0x6) for a
    /// short frame, else `PROTOCOL_ERROR` (0x1).
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::OnStream(_) | Self::NoStream => 0x1,
            Self::TooShort(_) => 0x6,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Frame, FrameType, Priority};

    fn stream(id: u32) -> StreamId {
        StreamId::from_wire(id)
    }

    proptest! {
        #[test]
        fn rfc9218_7_1_what_is_sent_is_what_is_received(
            id in 1..1_u32 << 31,
            urgency in 0..8_u8,
            incremental: bool,
            reserved: bool,
        ) {
            let priority = Priority::new(urgency).incremental(incremental);
            let frame = Frame::priority_update(stream(id), priority);
            prop_assert!(frame.validate().is_ok());
            let mut payload = frame.payload().to_vec();
            payload[0] |= u8::from(reserved) << 7;
            let update = PriorityUpdate::parse(frame.stream(), &payload).unwrap();
            prop_assert_eq!(update.stream(), stream(id));
            prop_assert_eq!(Priority::from(update.field()), priority);
            prop_assert_eq!(frame.as_priority_update(), Some(Ok(update)));
        }

        #[test]
        fn rfc9218_7_1_random_octets_are_an_update_or_one_of_the_errors(
            on in prop_oneof![4 => Just(0_u32), 1 => any::<u32>()],
            payload in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..12),
        ) {
            let id = payload.iter().take(4).fold(0_u32, |id, o| id << 8 | u32::from(*o));
            let id = id & (u32::MAX >> 1);
            let parsed = PriorityUpdate::parse(stream(on), &payload);
            let expected = if on & (u32::MAX >> 1) != 0 {
                Err(PriorityUpdateError::OnStream(stream(on)))
            } else if payload.len() < 4 {
                Err(PriorityUpdateError::TooShort(payload.len()))
            } else if id == 0 {
                Err(PriorityUpdateError::NoStream)
            } else {
                Ok((stream(id), PriorityField::parse(&payload[4..])))
            };
            prop_assert_eq!(parsed.map(|update| (update.stream(), update.field())), expected);
        }
    }

    #[test]
    fn rfc9218_7_1_errors_have_their_codes() {
        assert_eq!(PriorityUpdateError::OnStream(stream(1)).code(), 1);
        assert_eq!(PriorityUpdateError::NoStream.code(), 1);
        assert_eq!(PriorityUpdateError::TooShort(3).code(), 6);
    }

    #[test]
    fn rfc9218_7_1_a_frame_of_another_type_is_no_update() {
        assert_eq!(Frame::ping([1; 8]).as_priority_update(), None);
        let update = |on, payload: &'static [u8]| {
            let kind = FrameType::PRIORITY_UPDATE;
            Frame::extension(kind, crate::Flags::NONE, stream(on), payload).as_priority_update()
        };
        assert!(matches!(update(1, &[0, 0, 0, 1]), Some(Err(_))));
        assert!(matches!(update(0, &[0, 0, 0, 1]), Some(Ok(_))));
    }
}
