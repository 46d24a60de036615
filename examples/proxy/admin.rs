//! The admin server: `/stats`.

use std::sync::Arc;

use hyper::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};

use crate::{
    body::{Inbound, Outgoing, text},
    serve::{Handler, Peer},
    stats::Stats,
};

/// Shows the statistics.
#[derive(Clone, Debug)]
pub(crate) struct Admin(pub(crate) Arc<Stats>);

impl Handler for Admin {
    async fn call(&self, _peer: Peer, request: Request<Inbound>) -> Response<Outgoing> {
        if request.uri().path() != "/stats" {
            return text(StatusCode::NOT_FOUND, "there is /stats\n");
        }
        if *request.method() != Method::GET && *request.method() != Method::HEAD {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD, please\n");
            refusal
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let mut response = text(StatusCode::OK, format!("{:#}\n", self.0.to_json()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
