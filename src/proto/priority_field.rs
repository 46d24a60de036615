//! The Priority field as it was received (RFC 9218, sections 4 and 5).

use std::convert::Infallible;
use std::fmt;

use sfv::visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor};
use sfv::visitor::{ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};

use super::priority::Priority;

/// Octets of the longest field that is read: room for the 1,024 members, with
/// keys of 64 octets, that any parser of structured fields has to take
/// (RFC 9651, section 3.2).
const LONGEST: usize = 128 * 1024;

/// The parameters of a `priority` field, or of a `PRIORITY_UPDATE`, that
/// RFC 9218 defines, each of which may be absent.
///
/// What absent means depends on who says it. For a client it is the default:
/// [`Priority::from`]. For a server it is what the client said:
/// [`Priority::merged`].
///
/// It prints as a field's value with just the parameters that it has, which is
/// empty if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PriorityField {
    /// From 0 to 7.
    urgency: Option<u8>,
    incremental: Option<bool>,
}

impl PriorityField {
    /// The field with this value, a Dictionary of RFC 9651. This cannot fail,
    /// because priorities are hints (RFC 9218, section 4):
    ///
    /// - what is not a valid Dictionary has no parameters, and neither has a
    ///   value of over 128 KiB;
    /// - a parameter out of range, or of another type than its own, is absent;
    /// - parameters that are not known are ignored;
    /// - of a parameter that is there twice, the last counts.
    ///
    /// ```
    /// use framewright::PriorityField;
    ///
    /// let field = PriorityField::parse(b"u=1, new-one=\"x\"");
    /// assert_eq!((field.urgency(), field.incremental()), (Some(1), None));
    /// ```
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        if value.len() > LONGEST {
            return Self::default();
        }
        Parser::new(value)
            .parse_dictionary_with_visitor(Self::default())
            .unwrap_or_default()
    }

    /// As [`PriorityField::parse`], for a field of several lines, which are one
    /// value (RFC 9110, section 5.2).
    #[must_use]
    pub fn parse_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut lines = lines.into_iter();
        let first = lines.next().unwrap_or_default();
        let Some(second) = lines.next() else {
            return Self::parse(first);
        };
        let mut value = Vec::with_capacity(first.len() + 2 + second.len());
        value.extend(first);
        for line in [second].into_iter().chain(lines) {
            if value.len() + line.len() > LONGEST {
                return Self::default();
            }
            value.extend(b", ");
            value.extend(line);
        }
        Self::parse(&value)
    }

    /// The urgency, from 0 (first) to 7 (last), if the field names one.
    #[must_use]
    pub const fn urgency(self) -> Option<u8> {
        self.urgency
    }

    /// Whether the stream takes turns with others of its urgency, if the field
    /// says so or not.
    #[must_use]
    pub const fn incremental(self) -> Option<bool> {
        self.incremental
    }
}

/// Both parameters, so that none is left to the other end.
impl From<Priority> for PriorityField {
    fn from(priority: Priority) -> Self {
        Self {
            urgency: Some(priority.urgency()),
            incremental: Some(priority.is_incremental()),
        }
    }
}

impl fmt::Display for PriorityField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urgency) = self.urgency {
            write!(f, "u={urgency}")?;
        }
        if self.urgency.is_some() && self.incremental.is_some() {
            f.write_str(", ")?;
        }
        match self.incremental {
            Some(true) => f.write_str("i"),
            Some(false) => f.write_str("i=?0"),
            None => Ok(()),
        }
    }
}

impl<'de> DictionaryVisitor<'de> for PriorityField {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        // Whatever this one holds, those before it do not count any more.
        Ok(match key.as_str() {
            "u" => {
                self.urgency = None;
                Some(Parameter::Urgency(&mut self.urgency))
            }
            "i" => {
                self.incremental = None;
                Some(Parameter::Incremental(&mut self.incremental))
            }
            _ => None,
        })
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

/// A parameter that RFC 9218 defines, and where its value goes.
enum Parameter<'a> {
    Urgency(&'a mut Option<u8>),
    Incremental(&'a mut Option<bool>),
}

impl<'de> EntryVisitor<'de> for Parameter<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(Ignored)
    }
}

impl<'de> ItemVisitor<'de> for Parameter<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        match (self, item) {
            (Self::Urgency(urgency), BareItemFromInput::Integer(value)) => {
                let in_range = |value: &u8| usize::from(*value) < Priority::URGENCIES;
                *urgency = u8::try_from(i64::from(value)).ok().filter(in_range);
            }
            (Self::Incremental(incremental), BareItemFromInput::Boolean(value)) => {
                *incremental = Some(value);
            }
            _ => {}
        }
        Ok(Ignored)
    }
}

#[cfg(test)]
mod tests;
