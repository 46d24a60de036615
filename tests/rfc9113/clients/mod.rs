//! All of it for clients: what servers may get wrong.

mod frames;
mod messages;
mod opening;
mod streams;

use crate::differential::Case;
use crate::differential::wire::*;

/// What a client asks for.
mod asks {
    use crate::differential::Ask;

    pub(super) const GET: &[Ask] = &[Ask::Get];
    pub(super) const TWO: &[Ask] = &[Ask::Get, Ask::Get];
    pub(super) const HEAD: &[Ask] = &[Ask::Head];
    pub(super) const POST: &[Ask] = &[Ask::Post];
    pub(super) const UPLOAD: &[Ask] = &[Ask::Upload];
    pub(super) const OPEN: &[Ask] = &[Ask::Open];
    pub(super) const UNREAD: &[Ask] = &[Ask::Unread];
    pub(super) const TUNNEL: &[Ask] = &[Ask::Connect];
    pub(super) const NONE: &[Ask] = &[];
}

/// A whole response.
fn answer(stream: u32) -> Vec<u8> {
    all([
        ok(stream, EH, &[("x-field", "value")]),
        data(stream, ES, b"a body"),
    ])
}

pub(crate) fn cases() -> Vec<Case> {
    let tables = [
        opening::cases(),
        streams::cases(),
        frames::cases(),
        messages::cases(),
    ];
    tables.into_iter().flatten().collect()
}
