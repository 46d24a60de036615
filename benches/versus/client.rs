//! The client's process: keeps so many requests in flight on so many
//! connections, and times them.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use framewright::{
    Config, Connector, Transport,
    layer::{ClientFlowControlLayer, FlowControlBody},
};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Empty};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Result,
    child::{Control, reply},
    counted::Counted,
    function::Function,
    message::{Command, Flow, Load, Measured, Reply, Side, Spec},
    report, tls,
    usage::Usage,
};

/// A connection's face to the application.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    hyper: SendRequest<Empty<Bytes>>,
    /// Whether a layer tells framewright what is taken of bodies.
    layered: bool,
}

/// Of a response.
pub(crate) type Body = Either<Incoming, FlowControlBody<Incoming>>;

impl Requests {
    pub(crate) async fn send(&mut self, request: Request<Empty<Bytes>>) -> Result<Response<Body>> {
        self.hyper.ready().await?;
        let mut ask = |request| self.hyper.send_request(request);
        let response = if self.layered {
            let mut service = ClientFlowControlLayer::new().layer(Function(ask));
            service.call(request).await?.map(Either::Right)
        } else {
            ask(request).await?.map(Either::Left)
        };
        if response.status() != StatusCode::OK {
            return Err(format!("its answer is {}", response.status()).into());
        }
        Ok(response)
    }
}

pub(crate) async fn run(mut control: Control, spec: Spec) -> Result<()> {
    let dial = Dial::new(&spec)?;
    let mut connections = Vec::new();
    for _ in 0..spec.load.connections {
        connections.push(dial.open().await?);
    }
    drive(&connections, &spec.load, spec.load.warm_up).await?;
    reply(&Reply::Ready);
    loop {
        match control.next().await? {
            Command::Measure => {
                let measured = drive(&connections, &spec.load, spec.load.measured).await?;
                reply(&Reply::Measured(measured));
            }
            other => return Err(format!("a client does not take {other:?}").into()),
        }
    }
}

/// How to open a connection to the server.
pub(crate) struct Dial {
    connector: Option<Connector>,
    server: SocketAddr,
    side: Side,
    tls: Option<TlsConnector>,
    flow: Flow,
    config: Config,
}

impl Dial {
    pub(crate) fn new(spec: &Spec) -> Result<Self> {
        let tls = match &spec.tls {
            Some(identity) => Some(TlsConnector::from(tls::client(identity)?)),
            None => None,
        };
        let connector = match (&tls, spec.through) {
            (Some(tls), true) => {
                let builder = Connector::builder().with_tls_config(Arc::clone(tls.config()));
                Some(builder.server_name(tls::name()).http2_only().build()?)
            }
            _ => None,
        };
        Ok(Self {
            connector,
            server: spec.server.ok_or("no server to connect to")?,
            side: spec.side,
            tls,
            flow: spec.load.flow,
            config: spec.config(),
        })
    }

    pub(crate) async fn open(&self) -> Result<Requests> {
        if let Some(connector) = &self.connector {
            let uri = format!("https://{}/", self.server).parse()?;
            return self.handshake(connector.clone().call(uri).await?).await;
        }
        let tcp = TcpStream::connect(self.server).await?;
        tcp.set_nodelay(true)?;
        let io = Counted(tcp);
        match (self.side, &self.tls) {
            (Side::Stock, None) => self.handshake(io).await,
            (Side::Framewright, None) => {
                self.handshake(Transport::client(io, self.config.clone()))
                    .await
            }
            (Side::Stock, Some(tls)) => self.handshake(tls.connect(tls::name(), io).await?).await,
            (Side::Framewright, Some(tls)) => {
                let io = Transport::connect_tls(tls, tls::name(), io, self.config.clone()).await?;
                self.handshake(io).await
            }
        }
    }

    async fn handshake<IO>(&self, io: IO) -> Result<Requests>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        match self.flow {
            Flow::Default => {}
            Flow::Fixed(windows) | Flow::Managed(windows) => {
                builder
                    .initial_stream_window_size(windows.stream)
                    .initial_connection_window_size(windows.connection);
            }
            Flow::Adaptive => {
                builder.adaptive_window(true);
            }
        }
        let (hyper, connection) = builder.handshake(TokioIo::new(io)).await?;
        // An error here fails the requests too, and they are checked.
        tokio::spawn(connection);
        let layered = matches!(self.flow, Flow::Managed(_));
        Ok(Requests { hyper, layered })
    }
}

/// Where N octets are had from.
pub(crate) fn uri(octets: u64) -> Result<Uri> {
    Ok(format!("http://localhost/{octets}").parse()?)
}

pub(crate) fn get(uri: &Uri) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri.clone();
    request
}

/// One request; its response is consumed, checked and dropped.
pub(crate) async fn fetch(requests: &mut Requests, uri: &Uri, octets: u64) -> Result<()> {
    let mut body = requests.send(get(uri)).await?.into_body();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            received += data.len() as u64;
        }
    }
    if received != octets {
        return Err(format!("{received} octets for {uri}").into());
    }
    Ok(())
}

async fn drive(connections: &[Requests], load: &Load, milliseconds: u64) -> Result<Measured> {
    let uri = uri(load.octets)?;
    let mark = Usage::now()?;
    let start = Instant::now();
    let end = start + Duration::from_millis(milliseconds);
    let mut tasks = JoinSet::new();
    for connection in connections {
        for _ in 0..load.in_flight {
            tasks.spawn(repeat(connection.clone(), uri.clone(), load.octets, end));
        }
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    let seconds = start.elapsed().as_secs_f64();
    let used = Usage::now()?.since(mark);
    let requests = times.len() as u64;
    Ok(Measured {
        requests,
        octets: requests * load.octets,
        seconds,
        p50: report::percentile(&mut times, 0.50),
        p95: report::percentile(&mut times, 0.95),
        p99: report::percentile(&mut times, 0.99),
        used,
        ..Measured::default()
    })
}

/// Fetches until `end`; the microseconds that each took.
async fn repeat(mut requests: Requests, uri: Uri, octets: u64, end: Instant) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut now = Instant::now();
    // At least one, so that a short phase on a slow machine measures something.
    while times.is_empty() || now < end {
        fetch(&mut requests, &uri, octets).await?;
        let done = Instant::now();
        times.push((done - now).as_secs_f64() * 1e6);
        now = done;
    }
    Ok(times)
}
