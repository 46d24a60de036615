//! Urgency and incremental delivery (RFC 9218, section 4).

use std::fmt;

use super::priority_field::PriorityField;

/// How urgent a stream is, and whether its octets are of use before the last
/// has come (RFC 9218, section 4).
///
/// It prints as the value of a `priority` field of a request, or of
/// [`Frame::priority_update`](crate::Frame::priority_update): the shortest that
/// means it, and `u=3` for the default, because a field may not be empty. A
/// response says only what it changes, so [`PriorityField`] is for those.
///
/// ```
/// use framewright::Priority;
///
/// assert_eq!(Priority::new(1).incremental(true).to_string(), "u=1, i");
/// ```
///
/// # Defaults
///
/// Urgency 3, not incremental.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Priority {
    urgency: u8,
    incremental: bool,
}

impl Priority {
    /// The number of urgencies: 0, the most urgent, to 7.
    pub const URGENCIES: usize = 8;

    /// The urgency of what names none.
    const DEFAULT_URGENCY: u8 = 3;

    /// A priority of this urgency, not incremental. Urgencies above 7, which
    /// do not exist, are taken for 7.
    #[must_use]
    pub const fn new(urgency: u8) -> Self {
        let lowest = Self::URGENCIES as u8 - 1;
        Self {
            urgency: if urgency > lowest { lowest } else { urgency },
            incremental: false,
        }
    }

    /// The same urgency, incremental or not.
    #[must_use]
    pub const fn incremental(self, incremental: bool) -> Self {
        Self {
            incremental,
            ..self
        }
    }

    /// The priority after the server's own say: what `response` names replaces
    /// what the client asked for, and the rest stays (RFC 9218, section 8).
    ///
    /// ```
    /// use framewright::{Priority, PriorityField};
    ///
    /// let client = Priority::from(PriorityField::parse(b"u=5, i"));
    /// let server = PriorityField::parse(b"u=1");
    /// assert_eq!(client.merged(server), Priority::new(1).incremental(true));
    /// ```
    #[must_use]
    pub const fn merged(self, response: PriorityField) -> Self {
        let urgency = match response.urgency() {
            Some(urgency) => urgency,
            None => self.urgency,
        };
        let incremental = match response.incremental() {
            Some(incremental) => incremental,
            None => self.incremental,
        };
        Self::new(urgency).incremental(incremental)
    }

    /// The urgency, from 0 (first) to 7 (last).
    #[must_use]
    pub const fn urgency(self) -> u8 {
        self.urgency
    }

    /// Whether the stream takes turns with others of its urgency.
    #[must_use]
    pub const fn is_incremental(self) -> bool {
        self.incremental
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::new(Self::DEFAULT_URGENCY)
    }
}

/// What a request's field, or a `PRIORITY_UPDATE`, asks for: a parameter that it
/// does not name has its default (RFC 9218, section 4).
impl From<PriorityField> for Priority {
    fn from(field: PriorityField) -> Self {
        Self::default().merged(field)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.urgency, self.incremental) {
            (Self::DEFAULT_URGENCY, true) => f.write_str("i"),
            (urgency, true) => write!(f, "u={urgency}, i"),
            (urgency, false) => write!(f, "u={urgency}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9218_4_a_priority_prints_as_the_shortest_field() {
        let printed =
            |urgency, incremental| Priority::new(urgency).incremental(incremental).to_string();
        assert_eq!(printed(0, false), "u=0");
        assert_eq!(printed(3, false), "u=3");
        assert_eq!(printed(3, true), "i");
        assert_eq!(printed(7, true), "u=7, i");
        for urgency in 0..8 {
            for incremental in [false, true] {
                let priority = Priority::new(urgency).incremental(incremental);
                let field = PriorityField::parse(priority.to_string().as_bytes());
                assert_eq!(Priority::from(field), priority);
            }
        }
    }

    #[test]
    fn rfc9218_8_a_response_changes_what_it_names() {
        let merged = |request: &str, response: &str| {
            let field = |text: &str| PriorityField::parse(text.as_bytes());
            Priority::from(field(request))
                .merged(field(response))
                .to_string()
        };
        // The example of the RFC.
        assert_eq!(merged("u=5, i", "u=1"), "u=1, i");
        assert_eq!(merged("u=5, i", ""), "u=5, i");
        assert_eq!(merged("u=5, i", "u=3"), "i");
        assert_eq!(merged("u=5, i", "i=?0"), "u=5");
        assert_eq!(merged("u=5, i", "u=8, i=?0"), "u=5");
        assert_eq!(merged("", "u=0, i"), "u=0, i");
    }
}
