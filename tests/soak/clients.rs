//! The clients, ours and hyper's own.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use framewright::tls::TicketStore;
use framewright::{
    ClientFlowControlLayer, ClientPriorityLayer, ConnectionHandle, Connector, ConnectorStats,
    Transport,
};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_layer::Layer;
use tower_service::Service;

use crate::common::{BoxError, Dispatch, ServiceBody};
use crate::pki::{self, Authority};
use crate::random::Random;
use crate::tally::Counted;
use crate::world::World;

/// What is at a client's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    ConnectorTls,
    Connector,
    Transport,
    Stock,
    StockTls,
}

/// What dials.
pub(crate) struct Dialer {
    world: Arc<World>,
    connector: Connector,
    stock: TlsConnector,
}

/// A connection: what sends on it, and what drives it.
#[derive(Clone)]
pub(crate) struct Client {
    sender: Dispatch,
    layered: bool,
    pub(crate) handle: Option<ConnectionHandle>,
}

pub(crate) type Driver = JoinHandle<hyper::Result<()>>;

impl Dialer {
    pub(crate) fn new(world: &Arc<World>, authority: &Authority) -> Self {
        let connector = Connector::builder()
            .provider(pki::provider())
            .with_roots(authority.roots())
            .server_name(name())
            .ticket_store(&TicketStore::default())
            .http2_only()
            .config(world.config())
            .build()
            .expect("a connector");
        let stock = pki::stock_client(authority.roots(), &["h2"]);
        Self {
            world: Arc::clone(world),
            connector,
            stock: Arc::new(stock).into(),
        }
    }

    /// What the connector has done.
    pub(crate) fn stats(&self) -> ConnectorStats {
        self.connector.stats()
    }

    /// Connects; whether the socket `resets` when it is closed.
    pub(crate) async fn connect(
        &self,
        end: End,
        address: SocketAddr,
        resets: bool,
        random: &mut Random,
    ) -> Result<(Client, Driver), BoxError> {
        let linger = |tcp: &TcpStream| {
            if resets {
                // It may have been reset itself.
                let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
            }
        };
        if let End::Connector | End::ConnectorTls = end {
            let scheme = if end == End::Connector {
                "http"
            } else {
                "https"
            };
            let uri: Uri = format!("{scheme}://{address}/").parse()?;
            let mut connector = self.connector.clone();
            poll_fn(|cx| connector.poll_ready(cx)).await?;
            let io = connector.call(uri).await?;
            linger(io.get_ref().inner());
            let handle = Some(io.handle());
            return self.over(io, handle, random).await;
        }
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        linger(&tcp);
        match end {
            End::Transport => {
                let io = Transport::client(tcp, self.world.some_config(random));
                let handle = Some(io.handle());
                self.over(TokioIo::new(io), handle, random).await
            }
            End::StockTls => {
                let tls = self.stock.connect(name(), tcp).await?;
                self.over(TokioIo::new(tls), None, random).await
            }
            _ => self.over(TokioIo::new(tcp), None, random).await,
        }
    }

    async fn over<IO>(
        &self,
        io: IO,
        handle: Option<ConnectionHandle>,
        random: &mut Random,
    ) -> Result<(Client, Driver), BoxError>
    where
        IO: Read + Write + Unpin + Send + 'static,
    {
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .max_concurrent_reset_streams(1_000)
            .max_local_error_reset_streams(None);
        if handle.is_some() {
            self.world.flow().apply(&mut builder);
        } else if random.percent(50) {
            builder.adaptive_window(true);
        }
        if random.percent(30) {
            builder.max_frame_size(random.between(16_384, 1 << 20) as u32);
        }
        let (sender, driver) = builder.handshake(io).await?;
        let dialed = Counted::new(&self.world.tally.dialed);
        let driver = tokio::spawn(async move {
            let _dialed = dialed;
            driver.await
        });
        let client = Client {
            sender: Dispatch(sender),
            layered: handle.is_some(),
            handle,
        };
        Ok((client, driver))
    }
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

impl Client {
    pub(crate) async fn send(
        &self,
        request: Request<ServiceBody>,
    ) -> hyper::Result<Response<ServiceBody>> {
        let mut sender = self.sender.clone();
        poll_fn(|cx| sender.poll_ready(cx)).await?;
        if self.layered {
            let watched = ClientFlowControlLayer::new().layer(sender);
            let mut layered = ClientPriorityLayer::new().layer(watched);
            let response = layered.call(request).await?;
            Ok(response.map(|body| body.map_err(Into::into).boxed()))
        } else {
            let response = sender.call(request).await?;
            Ok(response.map(|body| body.map_err(Into::into).boxed()))
        }
    }
}
