//! The client's layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, request};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{FlowControlBody, Rule, hint, unwatched};
use crate::flow_control::FlowHint;
use crate::layer::stream::TAG;
use crate::transport::stream_table::expect_watchers;

/// Tells a client's transport what is consumed of the responses' bodies, so that a
/// window opens only as its reader keeps up (RFC 9113, section 5.2).
///
/// # Requests
///
/// A [`FlowHint`] in the extensions, or else what the rule says
/// ([`classify`](Self::classify)), is what the transport learns of the response in
/// advance.
///
/// # Responses
///
/// Their bodies become [`FlowControlBody`]s. Each frame of DATA counts as consumed
/// when it is read. A body that is dropped, that has ended or failed holds nothing
/// back any more. The [`StreamHandle`](crate::StreamHandle) goes into the
/// extensions, unless another layer of this crate has put it there.
///
/// # What it needs
///
/// A [`Transport`](crate::Transport) below, with
/// [`Config::stream_handles`](crate::Config::stream_handles) and
/// [`Config::flow_control`](crate::Config::flow_control), and a stack that grants as
/// much as windows may grow to ([`FlowControl::apply`](crate::FlowControl::apply)).
/// Over anything else the bodies are the same, and nothing is reported.
///
/// It goes inside of all that changes bodies, such as decompression: it counts the
/// octets that pass it. [`ClientPriorityLayer`](super::super::ClientPriorityLayer)
/// may be around it or in it.
///
/// # Example
///
/// Round hyper-util's client, or any other service:
///
/// ```
/// # #[cfg(feature = "connector")]
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use framewright::{Config, Connector, FlowControl, FlowHint, layer::ClientFlowControlLayer};
/// use http::Request;
/// use http_body_util::BodyExt;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower_layer::Layer;
/// use tower_service::Service;
///
/// let flow = FlowControl::default();
/// let mut client = Client::builder(TokioExecutor::new());
/// flow.apply(&mut client);
/// let config = Config::default().stream_handles(true).flow_control(flow);
/// let client = client.build(Connector::builder().config(config).build()?);
/// let mut client = ClientFlowControlLayer::new()
///     .classify(|request| request.uri.path().ends_with(".mp4").then_some(FlowHint::Bulk))
///     .layer(client);
///
/// let request = Request::get("https://example.com/events")
///     .extension(FlowHint::Interactive)
///     .body(String::new())?;
/// let mut body = client.call(request).await?.into_body();
/// while let Some(frame) = body.frame().await {
///     // The server may send as much more as this.
///     println!("{:?}", frame?.data_ref());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ClientFlowControlLayer {
    classify: Option<Rule>,
}

impl ClientFlowControlLayer {
    /// A layer with no rule.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of the body of the response to a request with no [`FlowHint`]
    /// in its extensions, by the request's method, path or whatever else its head
    /// says; `None` if nothing is.
    ///
    /// It runs for each request, before the service.
    ///
    /// # Default
    ///
    /// None.
    #[must_use]
    pub fn classify<F>(mut self, rule: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<FlowHint> + Send + Sync + 'static,
    {
        self.classify = Some(Arc::new(rule));
        self
    }
}

/// Watches the response's body.
fn on_response<R: Body>(
    response: Response<R>,
    hint: Option<FlowHint>,
) -> Response<FlowControlBody<R>> {
    let (mut head, body) = response.into_parts();
    let stream = unwatched(&mut head);
    Response::from_parts(head, FlowControlBody::new(body, stream, hint))
}

impl fmt::Debug for ClientFlowControlLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFlowControlLayer")
            .field("classify", &self.classify.is_some())
            .finish()
    }
}

impl<S> Layer<S> for ClientFlowControlLayer {
    type Service = ClientFlowControlService<S>;

    fn layer(&self, inner: S) -> ClientFlowControlService<S> {
        expect_watchers();
        ClientFlowControlService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`ClientFlowControlLayer`] makes.
///
/// It is ready when the service inside is, and fails as that does.
#[derive(Clone, Debug)]
pub struct ClientFlowControlService<S> {
    inner: S,
    layer: ClientFlowControlLayer,
}

impl<S> ClientFlowControlService<S> {
    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside, without the layer.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for ClientFlowControlService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<FlowControlBody<R>>;
    type Error = S::Error;
    type Future = ClientFlowControlFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        head.headers.remove(&TAG);
        let hint = hint(&head, self.layer.classify.as_ref());
        ClientFlowControlFuture {
            inner: self.inner.call(Request::from_parts(head, body)),
            hint,
        }
    }
}

pin_project! {
    /// The response of a [`ClientFlowControlService`].
    #[derive(Debug)]
    pub struct ClientFlowControlFuture<F> {
        #[pin]
        inner: F,
        hint: Option<FlowHint>,
    }
}

impl<F, R, E> Future for ClientFlowControlFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<FlowControlBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let response = ready!(me.inner.poll(cx))?;
        Poll::Ready(Ok(on_response(response, *me.hint)))
    }
}
