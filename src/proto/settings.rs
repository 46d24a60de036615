//! The edits of SETTINGS frames, one each way: inbound, a larger frame size for
//! the stack above; outbound, that a server has no use for the priorities of
//! RFC 7540.

use super::credit::MAX_WINDOW;
use super::frame::DEFAULT_MAX_FRAME_SIZE;
use super::head::Head;

/// Octets of a parameter: identifier and value (RFC 9113, section 6.5.1).
pub(crate) const PARAMETER: usize = 6;

/// `SETTINGS_MAX_FRAME_SIZE` (RFC 9113, section 6.5.2).
const MAX_FRAME_SIZE: u16 = 0x5;

/// `SETTINGS_INITIAL_WINDOW_SIZE` (RFC 9113, section 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 0x4;

/// `SETTINGS_NO_RFC7540_PRIORITIES` (RFC 9218, section 2.1).
const NO_RFC7540_PRIORITIES: u16 = 0x9;

/// The values that RFC 9113, section 6.5.2, allows.
const VALID: std::ops::RangeInclusive<u32> = DEFAULT_MAX_FRAME_SIZE..=Head::MAX_LENGTH;

/// The parameters in a payload of SETTINGS, with where each value stands.
fn parameters(payload: &[u8]) -> impl Iterator<Item = (u16, u32, usize)> + '_ {
    payload.chunks_exact(PARAMETER).enumerate().map(|(i, p)| {
        let id = u16::from_be_bytes([p[0], p[1]]);
        let value = u32::from_be_bytes([p[2], p[3], p[4], p[5]]);
        (id, value, i * PARAMETER + 2)
    })
}

/// The frame size that a payload of SETTINGS asks for: the last one, as later
/// values replace earlier ones. `None` if it names none; an error if it names
/// one that is not allowed, for which the stack above will end the connection.
pub(crate) fn max_frame_size(payload: &[u8]) -> Result<Option<u32>, ()> {
    let mut last = None;
    for (id, value, _) in parameters(payload) {
        if id == MAX_FRAME_SIZE {
            if !VALID.contains(&value) {
                return Err(());
            }
            last = Some(value);
        }
    }
    Ok(last)
}

/// Raises every frame size in a payload of SETTINGS to at least `told`.
/// Returns whether there was one.
pub(crate) fn raise_max_frame_size(payload: &mut [u8], told: u32) -> bool {
    edit(payload, MAX_FRAME_SIZE, |size| size.max(told))
}

/// The window of new streams that a payload of SETTINGS asks for, as
/// [`max_frame_size`].
pub(crate) fn initial_window_size(payload: &[u8]) -> Result<Option<u32>, ()> {
    let mut last = None;
    for (id, value, _) in parameters(payload) {
        if id == INITIAL_WINDOW_SIZE {
            if i64::from(value) > MAX_WINDOW {
                return Err(());
            }
            last = Some(value);
        }
    }
    Ok(last)
}

/// The window of new streams in a payload of SETTINGS that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct InitialWindow {
    /// The front of a parameter.
    partial: Vec<u8>,
    last: Option<u32>,
}

impl InitialWindow {
    pub(crate) fn read(&mut self, piece: &[u8]) {
        let missing = (PARAMETER - self.partial.len()).min(piece.len());
        let (front, rest) = piece.split_at(missing);
        self.partial.extend(front);
        if self.partial.len() < PARAMETER {
            return;
        }
        let whole = std::mem::take(&mut self.partial);
        self.partial
            .extend(rest.chunks_exact(PARAMETER).remainder());
        for (id, value, _) in parameters(&whole).chain(parameters(rest)) {
            if id == INITIAL_WINDOW_SIZE {
                self.last = Some(value);
            }
        }
    }

    /// The last one, as later values replace earlier ones.
    pub(crate) fn last(&self) -> Option<u32> {
        self.last
    }
}

/// Lowers every window of new streams in a payload of SETTINGS to at most `told`.
pub(crate) fn lower_initial_window_size(payload: &mut [u8], told: u32) {
    edit(payload, INITIAL_WINDOW_SIZE, |size| size.min(told));
}

/// Raises every window of new streams in a payload of SETTINGS to the largest.
pub(crate) fn overflow_initial_window_size(payload: &mut [u8]) {
    edit(payload, INITIAL_WINDOW_SIZE, |_| MAX_WINDOW as u32);
}

/// Edits every value of a parameter. Returns whether there was one.
fn edit(payload: &mut [u8], parameter: u16, change: impl Fn(u32) -> u32) -> bool {
    let mut found = false;
    for at in (0..payload.len() / PARAMETER).map(|i| i * PARAMETER) {
        let Some([a, b, value @ ..]) = payload[at..].first_chunk_mut::<PARAMETER>() else {
            break;
        };
        if u16::from_be_bytes([*a, *b]) == parameter {
            *value = change(u32::from_be_bytes(*value)).to_be_bytes();
            found = true;
        }
    }
    found
}

/// The parameter to append to a payload of SETTINGS that names no frame size.
pub(crate) const fn max_frame_size_parameter(told: u32) -> [u8; PARAMETER] {
    parameter(MAX_FRAME_SIZE, told)
}

/// The parameter that says that RFC 7540's priorities are ignored.
pub(crate) const fn no_rfc7540_priorities_parameter() -> [u8; PARAMETER] {
    parameter(NO_RFC7540_PRIORITIES, 1)
}

const fn parameter(id: u16, value: u32) -> [u8; PARAMETER] {
    let [a, b] = id.to_be_bytes();
    let [c, d, e, f] = value.to_be_bytes();
    [a, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(parameters: &[(u16, u32)]) -> Vec<u8> {
        parameters
            .iter()
            .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()))
            .collect()
    }

    #[test]
    fn f6_the_last_of_duplicates_wins_and_all_are_edited() {
        let mut octets = payload(&[(5, 20_000), (4, 1), (5, 1 << 23), (5, 30_000)]);
        assert_eq!(max_frame_size(&octets), Ok(Some(30_000)));
        assert!(raise_max_frame_size(&mut octets, 262_144));
        let expected = payload(&[(5, 262_144), (4, 1), (5, 1 << 23), (5, 262_144)]);
        assert_eq!(octets, expected);
    }

    #[test]
    fn c2_windows_of_new_streams_are_lowered() {
        let mut octets = payload(&[(4, 100_000), (5, 1 << 23), (4, 50_000), (4, 70_000)]);
        assert_eq!(initial_window_size(&octets), Ok(Some(70_000)));
        lower_initial_window_size(&mut octets, 65_536);
        let expected = payload(&[(4, 65_536), (5, 1 << 23), (4, 50_000), (4, 65_536)]);
        assert_eq!(octets, expected);
        assert_eq!(initial_window_size(&payload(&[(4, 1 << 31)])), Err(()));
        assert_eq!(initial_window_size(&payload(&[(3, 1)])), Ok(None));
    }

    #[test]
    fn c2_the_window_of_new_streams_is_found_in_pieces() {
        let octets = payload(&[(4, 1), (3, 4), (0x400, 9), (4, 0x0004_0004), (5, 2)]);
        for size in 1..=octets.len() {
            let mut window = InitialWindow::default();
            for piece in octets.chunks(size) {
                window.read(piece);
            }
            assert_eq!(window.last(), Some(0x0004_0004), "{size}");
        }
    }

    #[test]
    fn what_names_no_frame_size_is_left_alone() {
        let mut octets = payload(&[(1, 0), (4, 5), (3, 5)]);
        let before = octets.clone();
        assert_eq!(max_frame_size(&octets), Ok(None));
        assert!(!raise_max_frame_size(&mut octets, 262_144));
        assert_eq!(octets, before);
        assert_eq!(payload(&[(5, 9)]), max_frame_size_parameter(9));
    }

    #[test]
    fn frame_sizes_out_of_range_are_left_to_the_stack() {
        for value in [0, 16_383, 1 << 24, u32::MAX] {
            assert_eq!(
                max_frame_size(&payload(&[(5, 16_384), (5, value)])),
                Err(())
            );
        }
    }
}
