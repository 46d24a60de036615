//! How much goes out at a time.

/// Octets of plaintext in a full TLS record (RFC 8446, section 5.1).
pub(crate) const TLS_RECORD: usize = 16_384;

/// How many octets to gather for a write (rules B1, B6): more while batches
/// fill and go out whole, fewer when there is less, or when the socket falls
/// behind and what is sent is better chosen late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSize {
    least: usize,
    most: usize,
    /// From `least` to `most`.
    now: usize,
}

impl BatchSize {
    /// A size from `least` to `most` octets, at first `least`.
    pub(crate) fn new(least: usize, most: usize) -> Self {
        Self {
            least,
            most: most.max(least),
            now: least,
        }
    }

    /// Octets that the next batch should hold.
    pub(crate) fn get(self) -> usize {
        self.now
    }

    /// The bound that it never grows over.
    pub(crate) fn most(self) -> usize {
        self.most
    }

    /// The socket took `taken` of the octets that it was offered.
    pub(crate) fn wrote(&mut self, offered: usize, taken: usize) {
        if taken < offered {
            self.stalled();
        } else if offered >= self.now {
            self.filled();
        }
    }

    /// A batch was written because it was full.
    pub(crate) fn filled(&mut self) {
        self.now = (self.now * 2).min(self.most);
    }

    /// The socket took nothing for now.
    pub(crate) fn stalled(&mut self) {
        self.now = (self.now / 2).max(self.least);
    }

    /// A batch of so many octets was written because there was no more.
    pub(crate) fn drained(&mut self, octets: usize) {
        if octets < self.now / 2 {
            self.stalled();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b6_batches_grow_while_they_fill_and_shrink_when_they_do_not() {
        let mut size = BatchSize::new(64, 256);
        for expected in [128, 256, 256] {
            size.filled();
            assert_eq!(size.get(), expected);
        }
        for (octets, expected) in [(200, 256), (10, 128), (10, 64), (10, 64)] {
            size.drained(octets);
            assert_eq!(size.get(), expected);
        }
        for (offered, taken, expected) in [(60, 60, 64), (64, 64, 128), (128, 100, 64)] {
            size.wrote(offered, taken);
            assert_eq!(size.get(), expected);
        }
        assert_eq!(size.most(), 256);
    }
}
