//! Where a header block ends, by its own account.
//!
//! A field line says how long its strings are (RFC 7541, section 6). In a block
//! that a peer has made so on purpose the last string is longer than the block:
//! the stack refuses it. But octets that are put behind such a block would become
//! part of the string, and the stack would take it. So whoever appends to a block
//! has to know that it is complete.

/// Follows a header block, without decoding it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockEnd {
    state: State,
    /// Strings of the field line that come after what `state` is about.
    strings: u8,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// A field line, or a size update, begins.
    #[default]
    Start,
    /// The number that began in the first octet goes on. Whether it is an index
    /// of 0 is known by then: it is not.
    Number,
    /// A string's length begins.
    Length,
    /// It goes on: so much is known, and the next octet counts so many bits up.
    LongLength { length: u64, shift: u32 },
    /// So many octets of a string are to come.
    Octets(u64),
    /// A length that no stack takes. It is never complete.
    Broken,
}

impl BlockEnd {
    /// The next octets of the block.
    pub(crate) fn follow(&mut self, mut octets: &[u8]) {
        while let Some((&octet, rest)) = octets.split_first() {
            self.state = match self.state {
                State::Start => self.start(octet),
                State::Number if octet & 0x80 != 0 => State::Number,
                State::Number => self.next_string(),
                State::Length => match octet & 0x7f {
                    0x7f => State::LongLength {
                        length: 0x7f,
                        shift: 0,
                    },
                    length => self.string(u64::from(length)),
                },
                State::LongLength { shift, .. } if shift > 28 => State::Broken,
                State::LongLength { length, shift } => {
                    let length = length + (u64::from(octet & 0x7f) << shift);
                    match octet & 0x80 {
                        0 => self.string(length),
                        _ => State::LongLength {
                            length,
                            shift: shift + 7,
                        },
                    }
                }
                State::Octets(left) => {
                    let taken = left.min(octets.len() as u64);
                    octets = &octets[taken as usize..];
                    self.state = match left - taken {
                        0 => self.next_string(),
                        left => State::Octets(left),
                    };
                    continue;
                }
                State::Broken => return,
            };
            octets = rest;
        }
    }

    /// Whether a field line may begin here.
    pub(crate) fn is_complete(self) -> bool {
        matches!(self.state, State::Start)
    }

    /// The first octet of a field line (RFC 7541, sections 6.1 to 6.3).
    fn start(&mut self, octet: u8) -> State {
        let (mask, strings) = match octet.leading_zeros() {
            // Indexed.
            0 => (0x7f, 0),
            // Literal with incremental indexing.
            1 => (0x3f, 1),
            // A change of the table's size.
            2 => (0x1f, 0),
            // Literal without indexing, or never indexed.
            _ => (0x0f, 1),
        };
        let number = octet & mask;
        // An index of 0 stands for a name of its own.
        self.strings = strings + u8::from(strings > 0 && number == 0);
        match number == mask {
            true => State::Number,
            false => self.next_string(),
        }
    }

    fn next_string(&mut self) -> State {
        match self.strings.checked_sub(1) {
            Some(left) => {
                self.strings = left;
                State::Length
            }
            None => State::Start,
        }
    }

    fn string(&mut self, length: u64) -> State {
        match length {
            0 => self.next_string(),
            length => State::Octets(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_complete(block: &[u8]) -> bool {
        let mut end = BlockEnd::default();
        end.follow(block);
        end.is_complete()
    }

    /// A number (RFC 7541, section 5.1), its first octet with `front`.
    fn number(front: u8, bits: u32, mut value: u64) -> Vec<u8> {
        let most = (1 << bits) - 1;
        if value < most {
            return vec![front | value as u8];
        }
        let mut octets = vec![front | most as u8];
        value -= most;
        while value >= 128 {
            octets.push(value as u8 | 0x80);
            value >>= 7;
        }
        octets.push(value as u8);
        octets
    }

    fn string() -> impl Strategy<Value = Vec<u8>> {
        let octets = prop::collection::vec(any::<u8>(), 0..400);
        (any::<bool>(), octets).prop_map(|(huffman, octets)| {
            let mut string = number(u8::from(huffman) << 7, 7, octets.len() as u64);
            string.extend(octets);
            string
        })
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        let literal = prop_oneof![Just((0x40, 6)), Just((0, 4)), Just((0x10, 4))];
        prop_oneof![
            (1..500_u64).prop_map(|index| number(0x80, 7, index)),
            (0..70_000_u64).prop_map(|size| number(0x20, 5, size)),
            (literal.clone(), 1..500_u64, string()).prop_map(|((front, bits), index, value)| {
                [number(front, bits, index), value].concat()
            }),
            (literal, string(), string()).prop_map(|((front, _), name, value)| [
                vec![front],
                name,
                value
            ]
            .concat()),
        ]
    }

    proptest! {
        #[test]
        fn a_block_is_complete_exactly_between_its_lines(
            lines in prop::collection::vec(line(), 0..5),
            chunk in 1..50_usize,
        ) {
            let block = lines.concat();
            let mut ends = vec![0];
            for line in &lines {
                ends.push(ends[ends.len() - 1] + line.len());
            }
            let mut end = BlockEnd::default();
            for (i, octet) in block.iter().enumerate() {
                prop_assert_eq!(end.is_complete(), ends.contains(&i));
                end.follow(&[*octet]);
            }
            prop_assert!(end.is_complete());
            let mut end = BlockEnd::default();
            block.chunks(chunk).for_each(|octets| end.follow(octets));
            prop_assert!(end.is_complete());
        }
    }

    #[test]
    fn a_length_without_an_end_is_never_complete() {
        assert!(is_complete(&[]));
        let mut block = vec![0x00, 0x7f];
        block.extend([0xff; 20]);
        assert!(!is_complete(&block));
        block.extend([0; 2_000]);
        assert!(!is_complete(&block));
    }
}
