//! The server's layer.

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
use crate::transport::stream_handle::StreamHandle;
use crate::transport::stream_table::expect_watchers;

/// Tells a server's transport what handlers consume of the requests' bodies, so
/// that a window opens only as its handler keeps up (RFC 9113, section 5.2).
///
/// # Requests
///
/// Their bodies become [`FlowControlBody`]s. Each frame of DATA counts as consumed
/// when the handler gets it. A body that is dropped, that has ended or failed holds
/// nothing back any more.
///
/// The transport also learns how much comes in all, if that is known, and the
/// [`FlowHint`] in the request's extensions, or else what the rule says
/// ([`classify`](Self::classify)).
///
/// The [`StreamHandle`](crate::StreamHandle) goes into the extensions, unless
/// another layer of this crate has put it there.
///
/// # What it needs
///
/// A [`Transport`](crate::Transport) below, with
/// [`Config::stream_handles`](crate::Config::stream_handles) and
/// [`Config::flow_control`](crate::Config::flow_control), and a stack that grants as
/// much as windows may grow to ([`FlowControl::apply`](crate::FlowControl::apply)).
/// Over anything else the bodies are the same, and nothing is reported.
///
/// It goes outside of all that changes bodies, such as decompression: it counts the
/// octets that pass it. [`PriorityLayer`](super::super::PriorityLayer) may be around
/// it or in it.
///
/// # Example
///
/// With axum:
///
/// ```
/// use axum::{Router, body::Bytes, routing::{post, put}};
/// use framewright::{FlowHint, layer::FlowControlLayer};
///
/// async fn store(file: Bytes) -> String {
///     format!("{} octets", file.len())
/// }
///
/// let flow = FlowControlLayer::new()
///     // Films are sent as fast as it goes, and what is typed a little at a time.
///     .classify(|request| match request.uri.path() {
///         "/film" => Some(FlowHint::Bulk),
///         "/chat" => Some(FlowHint::Interactive),
///         _ => None,
///     });
/// let router: Router = Router::new()
///     .route("/film", put(store))
///     .route("/chat", post(store))
///     .layer(flow);
/// ```
///
/// The listener's configuration says that windows adapt:
///
/// ```
/// # #[cfg(feature = "listener")]
/// # fn listen() {
/// use framewright::{Config, FlowControl, Listener};
///
/// let flow = FlowControl::default();
/// let config = Config::default().stream_handles(true).flow_control(flow);
/// let listener = Listener::builder().config(config);
/// # }
/// ```
#[derive(Clone, Default)]
pub struct FlowControlLayer {
    classify: Option<Rule>,
}

impl FlowControlLayer {
    /// A layer with no rule.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of the body of a request with no [`FlowHint`] in its
    /// extensions, by its method, path or whatever else its head says; `None` if
    /// nothing is.
    ///
    /// It runs for each request that has a stream, before the service.
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

    /// Finds the stream of a request, and what is known of it.
    fn on_request(&self, request: &mut request::Parts) -> (Option<StreamHandle>, Option<FlowHint>) {
        let stream = unwatched(request);
        let hint = match stream {
            Some(_) => hint(request, self.classify.as_ref()),
            None => None,
        };
        (stream, hint)
    }
}

impl fmt::Debug for FlowControlLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowControlLayer")
            .field("classify", &self.classify.is_some())
            .finish()
    }
}

impl<S> Layer<S> for FlowControlLayer {
    type Service = FlowControlService<S>;

    fn layer(&self, inner: S) -> FlowControlService<S> {
        expect_watchers();
        FlowControlService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`FlowControlLayer`] makes.
///
/// It is ready when the service inside is, and fails as that does.
#[derive(Clone, Debug)]
pub struct FlowControlService<S> {
    inner: S,
    layer: FlowControlLayer,
}

impl<S> FlowControlService<S> {
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

impl<S, B, R> Service<Request<B>> for FlowControlService<S>
where
    S: Service<Request<FlowControlBody<B>>, Response = Response<R>>,
    B: Body,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = FlowControlFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let (stream, hint) = self.layer.on_request(&mut head);
        let body = FlowControlBody::new(body, stream, hint);
        FlowControlFuture {
            inner: self.inner.call(Request::from_parts(head, body)),
        }
    }
}

pin_project! {
    /// The response of a [`FlowControlService`].
    #[derive(Debug)]
    pub struct FlowControlFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, R, E> Future for FlowControlFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = ready!(self.project().inner.poll(cx))?;
        response.headers_mut().remove(&TAG);
        Poll::Ready(Ok(response))
    }
}
