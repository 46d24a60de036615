//! What h2 says of a peer that breaks the protocol, which its errors leave out.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::say;

/// Shows it from now on.
pub(crate) fn show() {
    // It is the only one of this process.
    let _ = tracing::subscriber::set_global_default(Violations);
}

struct Violations;

impl Subscriber for Violations {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The others say more of frames than of errors.
        metadata.is_event()
            && *metadata.level() == Level::DEBUG
            && (metadata.target().starts_with("h2::proto")
                || metadata.target() == "h2::codec::framed_read")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if message.0.contains("PROTOCOL_ERROR") && !message.0.starts_with("stream error") {
            say(format_args!("h2: {}", message.0));
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // A string takes any text.
            let _ = write!(self.0, "{value:?}");
        }
    }
}
