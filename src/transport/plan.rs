//! What a vectored write would look like, before anything is written.

use std::io::IoSlice;

use crate::proto::outbound::{Lead, Outbound, Wire};

/// Slices of one vectored write. Two for each wire frame, so with 16 KiB frames
/// the largest batch fits.
pub(super) const SLICES: usize = 64;

/// Leads of one vectored write.
pub(super) const LEADS: usize = SLICES / 2;

/// The leads that `bufs` get on the wire. They have to exist before slices can
/// borrow them.
pub(super) fn plan_leads(
    mut outbound: Outbound,
    bufs: &[IoSlice<'_>],
    leads: &mut [Option<Lead>; LEADS],
) -> usize {
    let mut count = 0;
    for buf in bufs {
        let mut input: &[u8] = buf;
        loop {
            if count == LEADS {
                return count;
            }
            let (n, wire) = outbound.next(input, usize::MAX);
            input = &input[n..];
            match wire {
                Some(Wire::Head(lead) | Wire::Parameter(lead)) => {
                    leads[count] = Some(lead);
                    count += 1;
                }
                Some(Wire::Payload(_) | Wire::Withheld { .. }) => {}
                None if n == 0 => break,
                None => {}
            }
        }
    }
    count
}

/// The wire form of `bufs`, as far as the leads and the slices go. Returns the
/// number of slices, and of octets in them.
pub(super) fn plan_slices<'a>(
    mut outbound: Outbound,
    bufs: &'a [IoSlice<'_>],
    leads: &'a [Option<Lead>],
    slices: &mut [&'a [u8]],
) -> (usize, usize) {
    let mut leads = leads.iter().flatten();
    let mut count = 0;
    let mut octets = 0;
    for buf in bufs {
        let mut input: &'a [u8] = buf;
        loop {
            if count == slices.len() {
                return (count, octets);
            }
            let (n, wire) = outbound.next(input, usize::MAX);
            let (consumed, rest) = input.split_at(n);
            input = rest;
            let slice = match wire {
                Some(Wire::Head(_) | Wire::Parameter(_)) => match leads.next() {
                    Some(lead) => lead.octets(),
                    None => return (count, octets),
                },
                Some(Wire::Payload(n)) => &consumed[consumed.len() - n..],
                None if n == 0 => break,
                None | Some(Wire::Withheld { .. }) => continue,
            };
            slices[count] = slice;
            octets += slice.len();
            count += 1;
        }
    }
    (count, octets)
}

/// Shortens slices to their first `octets`. Returns the number of slices.
pub(super) fn shorten(slices: &mut [&[u8]], octets: usize) -> usize {
    let mut left = octets;
    for (i, slice) in slices.iter_mut().enumerate() {
        if slice.len() >= left {
            *slice = &slice[..left];
            return i + 1;
        }
        left -= slice.len();
    }
    slices.len()
}
