//! The client's layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, request, response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{PRIORITY, priority_field, set_priority_field};
use crate::layer::stream::{self, Family, TAG};
use crate::proto::priority::Priority;

/// Asks a server for responses by their priorities (RFC 9218).
///
/// # Requests
///
/// It adds the `priority` field (section 5) for the [`Priority`] in the request's
/// extensions, or else for what the rule says ([`classify`](Self::classify)). A
/// field that is there already stays as it is. The default priority is not sent:
/// a server takes an absent field for that (section 4).
///
/// The field is end-to-end: it is added whatever the version of HTTP, because an
/// intermediary may pass the request on over another one.
///
/// A proxy that has a [`PriorityLayer`](super::PriorityLayer) in front, and passes
/// on the extensions of its requests, asks for what its clients have asked for.
///
/// # Responses
///
/// The [`StreamHandle`](crate::StreamHandle) goes into the extensions, if the
/// connection is a [`Transport`](crate::Transport) with
/// [`Config::stream_handles`](crate::Config::stream_handles). It changes the
/// priority of a response that is on its way, by `PRIORITY_UPDATE` (section 7).
///
/// # Example
///
/// Round hyper-util's client, or any other service:
///
/// ```
/// # #[cfg(feature = "connector")]
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use framewright::{Config, Connector, Priority, StreamHandle, layer::ClientPriorityLayer};
/// use http::Request;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower_layer::Layer;
/// use tower_service::Service;
///
/// let config = Config::default().stream_handles(true);
/// let connector = Connector::builder().config(config).build()?;
/// let client = Client::builder(TokioExecutor::new()).build(connector);
/// let mut client = ClientPriorityLayer::new()
///     .classify(|request| request.uri.path().ends_with(".css").then(|| Priority::new(1)))
///     .layer(client);
///
/// let request = Request::get("https://example.com/film")
///     .extension(Priority::new(5).incremental(true))
///     .body(String::new())?;
/// let response = client.call(request).await?;
/// if let Some(stream) = response.extensions().get::<StreamHandle>() {
///     // It is wanted at once after all.
///     stream.set_priority(Priority::new(1))?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ClientPriorityLayer {
    classify: Option<Rule>,
}

type Rule = Arc<dyn Fn(&request::Parts) -> Option<Priority> + Send + Sync>;

impl ClientPriorityLayer {
    /// A layer with no rule.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The priority of requests that name none themselves, by method, path,
    /// `accept` field or whatever else their head says; `None` for the default.
    ///
    /// # Default
    ///
    /// None.
    #[must_use]
    pub fn classify<F>(mut self, rule: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<Priority> + Send + Sync + 'static,
    {
        self.classify = Some(Arc::new(rule));
        self
    }

    /// Adds the field. What the request asks for then.
    fn on_request(&self, request: &mut request::Parts) -> Priority {
        request.headers.remove(&TAG);
        if request.headers.contains_key(&PRIORITY) {
            return Priority::from(priority_field(&request.headers));
        }
        let named = request.extensions.get::<Priority>().copied();
        let wanted = named.or_else(|| self.classify.as_ref().and_then(|rule| rule(request)));
        let wanted = wanted.unwrap_or_default();
        if wanted != Priority::default() {
            set_priority_field(&mut request.headers, wanted);
        }
        wanted
    }
}

/// Puts the stream into the response's extensions.
fn on_response(response: &mut response::Parts, asked: Priority) {
    if let Some(found) = stream::find(response, Family::Priority)
        && found.is_first
    {
        found.stream.show_priority(asked);
    }
}

impl fmt::Debug for ClientPriorityLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPriorityLayer")
            .field("classify", &self.classify.is_some())
            .finish()
    }
}

impl<S> Layer<S> for ClientPriorityLayer {
    type Service = ClientPriorityService<S>;

    fn layer(&self, inner: S) -> ClientPriorityService<S> {
        ClientPriorityService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`ClientPriorityLayer`] makes.
///
/// It is ready when the service inside is, and fails as that does.
#[derive(Clone, Debug)]
pub struct ClientPriorityService<S> {
    inner: S,
    layer: ClientPriorityLayer,
}

impl<S> ClientPriorityService<S> {
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

impl<S, B, R> Service<Request<B>> for ClientPriorityService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ClientPriorityFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let asked = self.layer.on_request(&mut head);
        ClientPriorityFuture {
            inner: self.inner.call(Request::from_parts(head, body)),
            asked,
        }
    }
}

pin_project! {
    /// The response of a [`ClientPriorityService`].
    #[derive(Debug)]
    pub struct ClientPriorityFuture<F> {
        #[pin]
        inner: F,
        asked: Priority,
    }
}

impl<F, R, E> Future for ClientPriorityFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let response = ready!(me.inner.poll(cx))?;
        let (mut head, body) = response.into_parts();
        on_response(&mut head, *me.asked);
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}
