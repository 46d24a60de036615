//! The server's layer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, request, response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::policy::{Asked, Policy};
use crate::proto::priority::Priority;

/// Sends a server's responses by their priorities (RFC 9218).
///
/// # Requests
///
/// A request's [`Priority`] goes into its extensions. It is, of these, the last
/// that is there:
///
/// 1. the default, urgency 3 and not incremental;
/// 2. what the `priority` field asks for (RFC 9218, section 5), or, if it has come
///    already, a `PRIORITY_UPDATE` (section 7);
/// 3. the default again, if the request was forwarded
///    ([`trust_forwarded`](Self::trust_forwarded));
/// 4. what the server's own rule makes of it ([`classify`](Self::classify)).
///
/// What of a field is not valid is ignored, as section 4 asks: no request fails for
/// its priority.
///
/// # Responses
///
/// Without more, a response is sent as its request asked. The handler may change
/// that. Each of these goes over those before it:
///
/// 1. the rule for responses ([`classify_response`](Self::classify_response));
/// 2. the response's `priority` field, merged: what it names replaces what the
///    request asked for, and what it does not name stays (section 8);
/// 3. a [`Priority`] in the response's extensions, which replaces all of that.
///
/// It holds before the first octet of the body. Later, and at any time, there is
/// [`StreamHandle::set_priority`](crate::StreamHandle::set_priority): the
/// [`StreamHandle`](crate::StreamHandle) is in the extensions of the request, and
/// of the response once it has passed this layer.
///
/// # What it needs
///
/// A [`Transport`](crate::Transport) below, with
/// [`Config::stream_handles`](crate::Config::stream_handles) and
/// [`Config::schedule`](crate::Config::schedule). Without it there is no
/// `StreamHandle` and nobody to send by priority; the request's `Priority` is
/// there all the same.
///
/// It costs a request nothing that waits or allocates but for those extensions. A
/// message with the default priority tells the transport nothing.
///
/// # Example
///
/// With axum:
///
/// ```
/// use axum::{Extension, Router, response::IntoResponse, routing::get};
/// use framewright::{Priority, layer::PriorityLayer};
///
/// async fn download(Extension(asked): Extension<Priority>) -> impl IntoResponse {
///     let background = asked.incremental(true);
///     (Extension(background), "much")
/// }
///
/// let priorities = PriorityLayer::new()
///     // Health checks go before everything.
///     .classify(|request, _| (request.uri.path() == "/health").then(|| Priority::new(0)))
///     // Pictures are of use in part.
///     .classify_response(|response, asked| {
///         let kind = response.headers.get("content-type")?.to_str().ok()?;
///         kind.starts_with("image/").then(|| asked.incremental(true))
///     });
/// let router: Router = Router::new()
///     .route("/download", get(download))
///     .layer(priorities);
/// ```
///
/// The listener's configuration says that there are handles:
///
/// ```
/// # #[cfg(feature = "listener")]
/// # fn listen() {
/// use framewright::{Config, Listener};
///
/// let listener = Listener::builder().config(Config::default().stream_handles(true));
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct PriorityLayer {
    policy: Arc<Policy>,
}

impl PriorityLayer {
    /// A layer with no rules, which trusts no forwarded request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the priority of a request holds that an intermediary has passed
    /// on: one with a `via`, `forwarded` or `x-forwarded-for` field.
    ///
    /// An intermediary may send requests of several clients over one connection,
    /// where they would compete by what each of them asks for itself (RFC 9218,
    /// section 13.1). So neither the field of such a request holds, nor any
    /// `PRIORITY_UPDATE` for its stream. Trust an intermediary that sets
    /// priorities itself, or that has a connection for each client.
    ///
    /// # Default
    ///
    /// No.
    #[must_use]
    pub fn trust_forwarded(mut self, trust: bool) -> Self {
        Arc::make_mut(&mut self.policy).trust_forwarded = trust;
        self
    }

    /// The server's own rule for requests, by path, method or whatever else their
    /// head says. It gets the priority that the client asks for. What it returns
    /// replaces that, and a `PRIORITY_UPDATE` that came before; `None` leaves it.
    ///
    /// It runs for each request, before the service.
    ///
    /// # Default
    ///
    /// None.
    #[must_use]
    pub fn classify<F>(mut self, rule: F) -> Self
    where
        F: Fn(&request::Parts, Priority) -> Option<Priority> + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.policy).request = Some(Arc::new(rule));
        self
    }

    /// The server's own rule for responses, such as by their content type. It gets
    /// the priority by which the stream goes. What it returns replaces that, and
    /// the response's `priority` field is merged with it; `None` leaves it.
    ///
    /// It runs for each response that has no [`Priority`] in its extensions.
    ///
    /// # Default
    ///
    /// None.
    #[must_use]
    pub fn classify_response<F>(mut self, rule: F) -> Self
    where
        F: Fn(&response::Parts, Priority) -> Option<Priority> + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.policy).response = Some(Arc::new(rule));
        self
    }

    /// Whether a priority from the response's extensions, or from the rule for
    /// responses, is also sent: as a `priority` field with both parameters, if the
    /// response has none. It is for intermediaries, such as a cache that answers
    /// many (RFC 9218, section 8). They pass it on: clients see it too.
    ///
    /// A rule that goes by what the request asks for makes responses that depend on
    /// that. Then section 5 asks for a `vary` or `cache-control` field, which this
    /// layer does not add.
    ///
    /// # Default
    ///
    /// No: the field says something about the server that nobody may need to know,
    /// and costs octets.
    #[must_use]
    pub fn announce(mut self, announce: bool) -> Self {
        Arc::make_mut(&mut self.policy).announce = announce;
        self
    }
}

impl<S> Layer<S> for PriorityLayer {
    type Service = PriorityService<S>;

    fn layer(&self, inner: S) -> PriorityService<S> {
        PriorityService {
            inner,
            policy: Arc::clone(&self.policy),
        }
    }
}

/// The service that [`PriorityLayer`] makes.
///
/// It is ready when the service inside is, and fails as that does.
#[derive(Clone, Debug)]
pub struct PriorityService<S> {
    inner: S,
    policy: Arc<Policy>,
}

impl<S> PriorityService<S> {
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

impl<S, B, R> Service<Request<B>> for PriorityService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = PriorityFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let asked = self.policy.on_request(&mut head);
        PriorityFuture {
            inner: self.inner.call(Request::from_parts(head, body)),
            policy: Arc::clone(&self.policy),
            asked: Some(asked),
        }
    }
}

pin_project! {
    /// The response of a [`PriorityService`].
    #[derive(Debug)]
    pub struct PriorityFuture<F> {
        #[pin]
        inner: F,
        policy: Arc<Policy>,
        // Taken when the response is there.
        asked: Option<Asked>,
    }
}

impl<F, R, E> Future for PriorityFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        let response = ready!(me.inner.poll(cx))?;
        let (mut head, body) = response.into_parts();
        if let Some(asked) = me.asked.take() {
            me.policy.on_response(&mut head, asked);
        }
        Poll::Ready(Ok(Response::from_parts(head, body)))
    }
}
