//! From when, and for how long, what a server presents says that it is good.

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::AssociatedOid;
use x509_ocsp::{BasicOcspResponse, OcspGeneralizedTime, OcspResponse};

use super::key::Question;

/// A span of time, in seconds since 1970, both ends within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: u64,
    pub(super) until: u64,
}

impl Validity {
    const ALWAYS: Self = Self {
        from: 0,
        until: u64::MAX,
    };

    /// The span in which all certificates and the OCSP response are good; none
    /// if one of them cannot be read.
    pub(super) fn of(question: Question<'_>) -> Option<Self> {
        let mut validity = Self::ALWAYS;
        for certificate in std::iter::once(question.leaf).chain(question.intermediates) {
            let certificate = Certificate::from_der(certificate).ok()?;
            let span = certificate.tbs_certificate.validity;
            validity.starts(span.not_before.to_unix_duration().as_secs());
            validity.ends(span.not_after.to_unix_duration().as_secs());
        }
        if !question.ocsp.is_empty() {
            validity.limit_by_ocsp(question.ocsp)?;
        }
        Some(validity)
    }

    /// RFC 6960, section 4.2.2.1: `nextUpdate` is "the time at or before which
    /// newer information will be available". Without it there is no limit here.
    fn limit_by_ocsp(&mut self, response: &[u8]) -> Option<()> {
        let response = OcspResponse::from_der(response).ok()?;
        let Some(response) = response.response_bytes else {
            // "Try later" and its like, which say nothing of the certificate.
            return Some(());
        };
        if response.response_type != BasicOcspResponse::OID {
            return None;
        }
        let response = BasicOcspResponse::from_der(response.response.as_bytes()).ok()?;
        for single in &response.tbs_response_data.responses {
            self.starts(seconds(single.this_update));
            if let Some(next) = single.next_update {
                self.ends(seconds(next));
            }
        }
        Some(())
    }

    fn starts(&mut self, at: u64) {
        self.from = self.from.max(at);
    }

    fn ends(&mut self, at: u64) {
        self.until = self.until.min(at);
    }
}

fn seconds(time: OcspGeneralizedTime) -> u64 {
    time.0.to_unix_duration().as_secs()
}
