//! The sizes that buffers come in.

/// How many sizes there are.
pub(super) const CLASSES: usize = 6;

/// Octets of a buffer of each class, smallest first.
///
/// From 16 KiB on a class is a round number of DATA payload plus room for what
/// stands around it: a 9-octet head for each 16 KiB frame, and the 22 octets
/// that a TLS record adds. A class of exactly 16 KiB would send every full
/// frame to the class above.
pub(super) const SIZES: [usize; CLASSES] = [
    1 << 10,
    4 << 10,
    (16 << 10) + 512,
    (64 << 10) + 512,
    (256 << 10) + 1024,
    (1 << 20) + 4096,
];

/// The smallest class that holds `octets`; `None` if none does.
///
/// For the capacity of a buffer this is the class that it was made for.
#[inline]
pub(super) fn class_for(octets: usize) -> Option<usize> {
    // Counting has no branch to mispredict when sizes are mixed.
    let class = SIZES.iter().filter(|&&size| size < octets).count();
    (class < CLASSES).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_it_is_chosen_for() {
        assert_eq!(class_for(0), Some(0));
        for (class, &size) in SIZES.iter().enumerate() {
            assert_eq!(class_for(size), Some(class));
            assert_eq!(class_for(size - 1), Some(class));
            assert_eq!(
                class_for(size + 1),
                (class + 1 < CLASSES).then_some(class + 1)
            );
        }
        assert_eq!(class_for(usize::MAX), None);
    }

    #[test]
    fn a_full_frame_and_its_head_fit_the_16_kib_class() {
        assert_eq!(class_for((16 << 10) + 9 + 22), Some(2));
        // 64 KiB and more as 16 KiB frames, each in a TLS record.
        for (class, frames) in [(3, 4), (4, 16), (5, 64)] {
            assert_eq!(class_for(frames * ((16 << 10) + 9 + 22)), Some(class));
        }
    }
}
