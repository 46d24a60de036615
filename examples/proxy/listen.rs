//! The sockets that clients connect to: framewright's listener or, with
//! `--stock`, a bare one.

use std::{net::SocketAddr, sync::Arc};

use framewright::Listener;

use crate::{args::Args, body::Chain, stock, tls::Tls};

/// Where a server's connections come from.
pub(crate) enum Inlet {
    Framewright(Listener),
    Stock(stock::Listener),
}

impl Inlet {
    /// Listens on `address`, which `flag` names.
    pub(crate) async fn bind(
        flag: &str,
        address: &str,
        tls: Option<&Tls>,
        args: &Args,
    ) -> Result<(Self, SocketAddr), String> {
        let wrong = |why: &dyn std::error::Error| format!("{flag} {address}: {}", Chain(why));
        if args.stock {
            let listener = stock::Listener::bind(address, tls).await;
            let listener = listener.map_err(|e| wrong(&e))?;
            let at = listener.local_addr().map_err(|e| wrong(&e))?;
            return Ok((Self::Stock(listener), at));
        }
        let mut builder = Listener::builder()
            .max_connections(args.max_connections as usize)
            .handshake_timeout(args.handshake_timeout)
            .config(args.inbound_transport())
            // Who has said nothing has had no request either.
            .preface_timeout(args.idle_timeout);
        if let Some(tls) = tls {
            builder = builder.tls(Arc::clone(&tls.config));
        }
        let listener = builder.bind(address).await.map_err(|e| wrong(&e))?;
        let at = listener.local_addr().map_err(|e| wrong(&e))?;
        Ok((Self::Framewright(listener), at))
    }
}
