//! How long a server means a session to live.
//!
//! rustls keeps that to itself, but for what its `Debug` shows: `lifetime_secs`.
//! A test pins that it still does. Should a later one not, a session is kept for
//! as long as any; rustls itself still refuses what is past its lifetime.

use std::fmt::{self, Write};

/// The lifetime that `session` shows, in seconds. Allocates nothing, and stops
/// the formatting where the figure ends.
pub(super) fn seconds(session: &impl fmt::Debug) -> Option<u32> {
    let mut sink = Sink::Searching { matched: 0 };
    // An error is how the sink says that it has seen enough.
    let _ = write!(sink, "{session:?}");
    match sink {
        Sink::Found(seconds) => Some(seconds),
        Sink::Searching { .. } | Sink::Reading(_) | Sink::Unreadable => None,
    }
}

/// What stands before the figure.
const FIELD: &[u8] = b" lifetime_secs: ";

enum Sink {
    Searching { matched: usize },
    Reading(Option<u32>),
    Found(u32),
    Unreadable,
}

impl Sink {
    fn next(&self, octet: u8) -> Self {
        match *self {
            Self::Searching { matched } if octet == FIELD[matched] => {
                if matched + 1 == FIELD.len() {
                    Self::Reading(None)
                } else {
                    Self::Searching {
                        matched: matched + 1,
                    }
                }
            }
            // No part of the field begins as the field does, but its first octet.
            Self::Searching { .. } => Self::Searching {
                matched: usize::from(octet == FIELD[0]),
            },
            Self::Reading(figure) if octet.is_ascii_digit() => figure
                .unwrap_or(0)
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(u32::from(octet - b'0')))
                .map_or(Self::Unreadable, |figure| Self::Reading(Some(figure))),
            Self::Reading(Some(figure)) if matches!(octet, b',' | b' ' | b'}') => {
                Self::Found(figure)
            }
            Self::Reading(_) | Self::Unreadable => Self::Unreadable,
            Self::Found(figure) => Self::Found(figure),
        }
    }
}

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for octet in text.bytes() {
            *self = self.next(octet);
            if matches!(self, Self::Found(_) | Self::Unreadable) {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints `text` in pieces of `size` octets.
    struct Pieces<'a> {
        text: &'a str,
        size: usize,
    }

    impl fmt::Debug for Pieces<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut rest = self.text;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(self.size.min(rest.len()));
                f.write_str(now)?;
                rest = later;
            }
            Ok(())
        }
    }

    fn read(text: &str) -> Option<u32> {
        let whole = seconds(&Pieces { text, size: 1 });
        for size in 2..=text.len() {
            assert_eq!(seconds(&Pieces { text, size }), whole, "{text} by {size}");
        }
        whole
    }

    #[test]
    fn the_figure_is_found_however_it_is_written() {
        assert_eq!(read("A { b: 1, lifetime_secs: 7200, c: 2 }"), Some(7200));
        assert_eq!(read("A { lifetime_secs: 0 }"), Some(0));
        assert_eq!(
            read("A { l: 1,  lifetime_secs: 4294967295}"),
            Some(u32::MAX)
        );
        let twice = "A { lifetime_secs: 1, lifetime_secs: 2 }";
        assert_eq!(read(twice), Some(1));
    }

    #[test]
    fn what_is_no_figure_of_seconds_is_not_taken_for_one() {
        for text in [
            "A { lifetime: 7200 }",
            "A { max_lifetime_secs: 7200 }",
            "A { lifetime_secs: Some(7200) }",
            "A { lifetime_secs: 7200s }",
            "A { lifetime_secs: 4294967296 }",
            "A { lifetime_secs: , b: 7 }",
            "A { lifetime_secs: 7200",
            "A",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_is_formatted_after_the_figure() {
        struct Once;
        impl fmt::Debug for Once {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("A { lifetime_secs: 60, ")?;
                panic!("went on");
            }
        }
        assert_eq!(seconds(&Once), Some(60));
    }
}
