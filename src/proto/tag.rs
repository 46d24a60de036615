//! The field by which the layers above learn a request's or response's stream.
//!
//! What a header block says is HPACK (RFC 7541), which only the stack decodes.
//! So that a layer above it can tell which stream a message came on, the
//! transport appends one field to the block, and the layer takes it out again.
//!
//! - The field goes inbound only, towards the stack; the peer never sees it.
//! - Its value holds a random number of the process, so that a field which a
//!   peer has sent itself is not taken for one of ours.
//! - It stands last in the block, so the last such field is the one to believe.

use std::fmt;

use super::head::StreamId;

/// The name of the field.
pub(crate) const NAME: &str = "framewright-stream";

/// Digits of the nonce, of the connection and of the stream, in hexadecimal.
const DIGITS: [usize; 3] = [32, 16, 8];

/// Octets of the value: the digits, with a hyphen between each two.
const VALUE: usize = DIGITS[0] + 1 + DIGITS[1] + 1 + DIGITS[2];

/// Makes the fields of one connection.
#[derive(Clone, Copy)]
pub(crate) struct Tagger {
    /// What tells our fields from a peer's.
    pub(crate) nonce: u128,
    /// The connection's number in this process.
    pub(crate) connection: u64,
}

impl Tagger {
    /// Octets of a field: its kind, two lengths, its name and its value.
    pub(crate) const LEN: usize = 3 + NAME.len() + VALUE;

    /// The field for a header block of `stream`, to stand at the block's end.
    ///
    /// It is a literal field without indexing and with a literal name (RFC 7541,
    /// section 6.2.2), without Huffman coding. So it leaves the dynamic table as
    /// it is: both ends of the connection still agree on that.
    pub(crate) fn field(&self, stream: StreamId) -> [u8; Self::LEN] {
        const {
            // More would not fit the 7 bits of a length (RFC 7541, section 5.1).
            assert!(NAME.len() < 127 && VALUE < 127);
        }
        let mut field = [0; Self::LEN];
        let (name, value) = field[1..].split_at_mut(1 + NAME.len());
        name[0] = NAME.len() as u8;
        name[1..].copy_from_slice(NAME.as_bytes());
        value[0] = VALUE as u8;
        self.write_value(stream, &mut value[1..]);
        field
    }

    fn write_value(&self, stream: StreamId, value: &mut [u8]) {
        let numbers = [self.nonce, self.connection.into(), stream.get().into()];
        let mut at = 0;
        for (number, digits) in numbers.into_iter().zip(DIGITS) {
            if at > 0 {
                value[at] = b'-';
                at += 1;
            }
            for place in (0..digits).rev() {
                value[at] = b"0123456789abcdef"[(number >> (4 * place)) as usize & 15];
                at += 1;
            }
        }
    }
}

impl fmt::Debug for Tagger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tagger")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// The connection and the stream that a field's value names, if a [`Tagger`]
/// with this nonce has made it.
#[cfg(any(test, feature = "layer"))]
pub(crate) fn parse(nonce: u128, value: &[u8]) -> Option<(u64, StreamId)> {
    let value: &[u8; VALUE] = value.try_into().ok()?;
    let (first, rest) = value.split_at(DIGITS[0]);
    let (second, third) = rest.split_at(1 + DIGITS[1]);
    let (first, second, third) = (
        number(first)?,
        number(second.strip_prefix(b"-")?)?,
        number(third.strip_prefix(b"-")?)?,
    );
    let connection = u64::try_from(second).ok()?;
    let stream = StreamId::new(u32::try_from(third).ok()?)?;
    // Compared as numbers, which takes the same time wherever they differ.
    (first == nonce && !stream.is_connection()).then_some((connection, stream))
}

/// The number of up to 32 hexadecimal digits, in lower case.
#[cfg(any(test, feature = "layer"))]
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The value of a field, decoded by hand (RFC 7541, section 6.2.2).
    fn value_of(field: &[u8]) -> &[u8] {
        let (kind, rest) = field.split_first().unwrap();
        assert_eq!(*kind, 0, "a literal without indexing, with a literal name");
        let (length, rest) = rest.split_first().unwrap();
        let (name, rest) = rest.split_at((*length).into());
        assert_eq!(name, NAME.as_bytes());
        let (length, value) = rest.split_first().unwrap();
        assert_eq!(value.len(), usize::from(*length));
        value
    }

    fn tagger() -> Tagger {
        Tagger {
            nonce: 0x0123_4567_89ab_cdef_0011_2233_4455_66ff,
            connection: 0xfe,
        }
    }

    #[test]
    fn a_field_looks_as_documented() {
        let field = tagger().field(StreamId::MAX);
        let expected = "0123456789abcdef00112233445566ff-00000000000000fe-7fffffff";
        assert_eq!(value_of(&field), expected.as_bytes());
    }

    proptest! {
        #[test]
        fn what_is_made_is_parsed(nonce: u128, connection: u64, stream in 1..1_u32 << 31) {
            let stream = StreamId::new(stream).unwrap();
            let field = Tagger { nonce, connection }.field(stream);
            prop_assert_eq!(parse(nonce, value_of(&field)), Some((connection, stream)));
            prop_assert_eq!(parse(nonce ^ 1 << (connection % 128), value_of(&field)), None);
        }

        #[test]
        fn what_was_not_made_is_not_parsed(
            value in prop_oneof![
                "[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{8}",
                "[0-9a-fA-F-]{56,60}",
                ".*",
            ],
        ) {
            // Whoever knows the nonce can say anything; the rest has to be exact.
            let nonce = value.get(..32).and_then(|digits| u128::from_str_radix(digits, 16).ok());
            let nonce = nonce.unwrap_or_default();
            let again = parse(nonce, value.as_bytes()).map(|(connection, stream)| {
                Tagger { nonce, connection }.field(stream)
            });
            if let Some(again) = again {
                prop_assert_eq!(value_of(&again), value.as_bytes());
            }
            prop_assert_eq!(parse(!nonce, value.as_bytes()), None);
        }

        #[test]
        fn a_changed_octet_is_another_value_or_none(at in 0..VALUE, octet: u8) {
            let stream = StreamId::new(5).unwrap();
            let mut changed = value_of(&tagger().field(stream)).to_vec();
            let is_same = changed[at] == octet;
            changed[at] = octet;
            let parsed = parse(tagger().nonce, &changed);
            prop_assert_eq!(parsed == Some((tagger().connection, stream)), is_same);
        }
    }

    #[test]
    fn neither_stream_0_nor_one_of_32_bits_is_a_stream() {
        let of = |stream: &str| {
            let value = format!("{:032x}-{:016x}-{stream}", 7, 8);
            parse(7, value.as_bytes()).map(|(_, stream)| stream.get())
        };
        assert_eq!(of("00000001"), Some(1));
        assert_eq!(of("00000000"), None);
        assert_eq!(of("80000001"), None);
        assert_eq!(of("0000000A"), None);
        assert_eq!(of("+0000001"), None);
    }
}
