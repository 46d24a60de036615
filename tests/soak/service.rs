//! What servers answer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use framewright::{ConnectionHandle, StreamHandle};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tower_service::Service;

use crate::body::{Chunks, Pace, priority, read};
use crate::common::{BoxError, ServiceBody, full};
use crate::random::Random;
use crate::world::World;

/// What a client asks its connection's server for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    ShutDown,
    Abort,
    Reset,
}

/// The service of one connection.
///
/// - `GET /bytes?seed=&len=&largest=[&trailer=1][&fail=][&pauses=]`: a pattern
/// - `POST /sink?seed=`: how much of the pattern has come
/// - `POST /echo`: the body, and its trailers
/// - `GET /ping`: answers when the client's stack has answered a PING
/// - `GET /end?how=`: the end of the connection
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) world: Arc<World>,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) connection: Option<ConnectionHandle>,
}

/// One value of a query.
fn parameter(query: &str, name: &str) -> Option<u64> {
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(name))?;
    pair.strip_prefix('=')?.parse().ok()
}

impl Handler {
    async fn answer<B>(self, request: Request<B>) -> Response<ServiceBody>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + Unpin + 'static,
    {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let of = |name| parameter(&query, name);
        let number = of("number").unwrap_or(0);
        self.world.tally.handled(number);
        let mut random = Random::new(number);
        let stream = request.extensions().get::<StreamHandle>().cloned();
        if let Some(stream) = &stream
            && random.percent(20)
        {
            let _ = stream.set_priority(priority(&mut random));
        }
        let seed = of("seed").unwrap_or(0);
        let text = match request.uri().path() {
            "/bytes" => {
                let len = of("len").unwrap_or(0);
                let body = Chunks::new(seed, len, of("largest").unwrap_or(65_536))
                    .trailer(of("trailer").is_some())
                    .fail_at(of("fail"))
                    .pauses(of("pauses").unwrap_or(0) as u32)
                    .stream(stream);
                return Response::new(body.boxed());
            }
            "/echo" => return Response::new(request.into_body().map_err(Into::into).boxed()),
            "/sink" => {
                let pace = Pace::choose(&mut random);
                let seen = read(request.into_body(), seed, pace, None, None, &mut random).await;
                if let Some(at) = seen.wrong_at {
                    let what = format_args!("the octet at {at} of upload {number} came wrong");
                    self.world.tally.fail(what);
                }
                format!("{} {} {}", seen.octets, seen.whole, seen.trailers)
            }
            "/ping" => match self.connection.map(|connection| connection.ping()) {
                Some(ping) => format!("{:?}", ping.await.map(|_| ())),
                None => "Ok(())".into(),
            },
            "/end" => {
                let order = match of("how") {
                    Some(0) => Order::ShutDown,
                    Some(1) => Order::Abort,
                    _ => Order::Reset,
                };
                let _ = self.orders.send(order);
                "it will".into()
            }
            _ => {
                let mut response = Response::new(full("no such thing".into()));
                *response.status_mut() = StatusCode::NOT_FOUND;
                return response;
            }
        };
        Response::new(full(text))
    }
}

impl<B> Service<Request<B>> for Handler
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + Unpin + 'static,
{
    type Response = Response<ServiceBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.clone().answer(request);
        Box::pin(async { Ok(answer.await) })
    }
}
