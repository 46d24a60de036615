//! The client side: hyper-util's pooled client over framewright.
//!
//! HTTP/2: one shared connection, dialled again when it is gone; a request
//! beyond the peer's stream limit waits for a free stream. HTTP/1.1: as many
//! connections as there are requests at once, kept alive between them. A request
//! is sent once; only one that never left a dead pooled connection goes again.

use std::{sync::Arc, time::Duration};

use framewright::{
    Connector,
    layer::{ClientFlowControlFuture, ClientFlowControlLayer, ClientFlowControlService},
};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client, ResponseFuture},
    rt::{TokioExecutor, TokioTimer},
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{args::Args, body::RequestBody, dial::Dialer, stats::Stats, target::Target};

/// Less than what common servers keep an idle connection for.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);
const MAX_IDLE: usize = 256;
/// How often a busy HTTP/2 connection is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// An upstream and the connections to it.
#[derive(Clone)]
pub(crate) struct Upstream {
    target: Target,
    client: ClientFlowControlService<Client<Dialer, RequestBody>>,
    dialer: Dialer,
    h2c: bool,
}

impl Upstream {
    /// `h2c` asks for HTTP/2 with prior knowledge where there is no TLS.
    pub(crate) fn new(
        target: Target,
        connector: Connector,
        h2c: bool,
        args: &Args,
        stats: &Arc<Stats>,
    ) -> Result<Self, String> {
        let dialer = Dialer::new(connector, args, stats)?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE)
            .http2_only(h2c)
            .http2_keep_alive_interval(KEEP_ALIVE);
        if let Some(flow) = args.flow_control() {
            flow.apply(&mut builder);
        }
        // It does nothing where windows are not managed.
        let client = ClientFlowControlLayer::new().layer(builder.build(dialer.clone()));
        Ok(Self {
            target,
            client,
            dialer,
            h2c,
        })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Whether the latest connection speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.h2c || self.dialer.chose_http2()
    }

    pub(crate) fn send(
        &self,
        request: Request<RequestBody>,
    ) -> ClientFlowControlFuture<ResponseFuture> {
        // The client is always ready.
        self.client.clone().call(request)
    }
}
