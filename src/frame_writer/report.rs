//! What a flush did.

use std::{error::Error, fmt, io};

/// What went out in one flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushReport {
    /// Wire frames whose last octet went out.
    pub frames: u64,
    /// Octets that went out, frame heads included.
    pub octets: u64,
    /// Write calls that took octets.
    pub write_calls: u64,
}

/// Why a flush failed.
///
/// What did not go out is still in the writer: the next flush goes on with the
/// octet that comes after those of [`report`](Self::report).
#[derive(Debug)]
pub struct FlushError {
    kind: Kind,
    report: FlushReport,
}

#[derive(Debug)]
enum Kind {
    /// Misuse by the caller.
    UnderWay,
    /// The writer below.
    Io(io::Error),
}

impl FlushError {
    pub(super) fn under_way() -> Self {
        Self {
            kind: Kind::UnderWay,
            report: FlushReport::default(),
        }
    }

    pub(super) fn io(error: io::Error, report: FlushReport) -> Self {
        Self {
            kind: Kind::Io(error),
            report,
        }
    }

    /// Whether the reason is that another flush of the same writer is under
    /// way. Nothing was written then.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.kind, Kind::UnderWay)
    }

    /// What went out in this flush before it failed.
    #[must_use]
    pub fn report(&self) -> FlushReport {
        self.report
    }

    /// The error of the IO object, if it is the reason.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        match &self.kind {
            Kind::UnderWay => None,
            Kind::Io(error) => Some(error),
        }
    }
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::UnderWay => f.write_str("another flush of this writer is under way"),
            Kind::Io(_) => write!(
                f,
                "writing failed after {} frames and {} octets",
                self.report.frames, self.report.octets
            ),
        }
    }
}

impl Error for FlushError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.io_error().map(|error| error as _)
    }
}

impl From<FlushError> for io::Error {
    /// The error of the IO object; for another reason, one of kind
    /// [`Other`](io::ErrorKind::Other).
    fn from(error: FlushError) -> Self {
        match error.kind {
            Kind::Io(error) => error,
            Kind::UnderWay => Self::other(error),
        }
    }
}
